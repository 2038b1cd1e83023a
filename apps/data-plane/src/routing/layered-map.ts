import { addToHash, emptyHash, TextTable } from './text-table.ts';

const OVERLAY_ENTRIES_MAX = 512;
/** Up to this size copying it all is quick, and every lookup is spared a probe. */
const SMALL_BASE_ENTRIES_MAX = 4096;

/**
 * An immutable map whose copies share what did not change: a large base and a small overlay of later
 * changes. A lookup costs two probes; a change copies the overlay, and now and then the base.
 */
export class LayeredMap<V> {
  readonly #base: TextTable<V>;
  readonly #overlay: ReadonlyMap<string, V | undefined>;

  private constructor(base: TextTable<V>, overlay: ReadonlyMap<string, V | undefined>) {
    this.#base = base;
    this.#overlay = overlay;
  }

  static empty<V>(): LayeredMap<V> {
    return new LayeredMap<V>(TextTable.empty(), new Map());
  }

  get isEmpty(): boolean {
    return this.#base.size === 0 && this.#overlay.size === 0;
  }

  get(key: string): V | undefined {
    if (this.isEmpty) return undefined;
    return this.getBeginning(key, key.length, addToHash(emptyHash(), key, 0, key.length));
  }

  /** By the first `length` characters of `text`; `hash` is theirs, by `addToHash`. */
  getBeginning(text: string, length: number, hash: number): V | undefined {
    if (this.#overlay.size > 0) {
      const key = text.slice(0, length);
      if (this.#overlay.has(key)) return this.#overlay.get(key);
    }
    return this.#base.find(text, length, hash);
  }

  /** A copy with these changes; a value of undefined removes the key. */
  with(changes: ReadonlyMap<string, V | undefined>): LayeredMap<V> {
    if (changes.size === 0) return this;
    const overlay = new Map(this.#overlay);
    for (const [key, value] of changes) overlay.set(key, value);
    const isSmall = this.#base.size <= SMALL_BASE_ENTRIES_MAX;
    if (!isSmall && overlay.size <= OVERLAY_ENTRIES_MAX) return new LayeredMap(this.#base, overlay);

    return new LayeredMap(this.#base.with(overlay), new Map<string, V | undefined>());
  }
}
