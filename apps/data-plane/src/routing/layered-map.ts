const OVERLAY_ENTRIES_MAX = 512;
/** Up to this size copying it all is quick, and every lookup is spared a probe. */
const SMALL_BASE_ENTRIES_MAX = 4096;

/**
 * An immutable map whose copies share what did not change: a large base and a small overlay of later
 * changes. A lookup costs two probes; a change copies the overlay, and now and then the base.
 */
export class LayeredMap<V> {
  readonly #base: ReadonlyMap<string, V>;
  readonly #overlay: ReadonlyMap<string, V | undefined>;

  private constructor(base: ReadonlyMap<string, V>, overlay: ReadonlyMap<string, V | undefined>) {
    this.#base = base;
    this.#overlay = overlay;
  }

  static empty<V>(): LayeredMap<V> {
    return new LayeredMap<V>(new Map(), new Map());
  }

  get isEmpty(): boolean {
    return this.#base.size === 0 && this.#overlay.size === 0;
  }

  get(key: string): V | undefined {
    if (this.#overlay.size > 0 && this.#overlay.has(key)) return this.#overlay.get(key);
    return this.#base.get(key);
  }

  /** A copy with these changes; a value of undefined removes the key. */
  with(changes: ReadonlyMap<string, V | undefined>): LayeredMap<V> {
    if (changes.size === 0) return this;
    const overlay = new Map(this.#overlay);
    for (const [key, value] of changes) overlay.set(key, value);
    const isSmall = this.#base.size <= SMALL_BASE_ENTRIES_MAX;
    if (!isSmall && overlay.size <= OVERLAY_ENTRIES_MAX) return new LayeredMap(this.#base, overlay);

    const base = new Map(this.#base);
    for (const [key, value] of overlay) {
      if (value === undefined) base.delete(key);
      else base.set(key, value);
    }
    return new LayeredMap(base, new Map<string, V | undefined>());
  }
}
