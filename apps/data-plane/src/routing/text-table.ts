/** FNV-1a over UTF-16 code units. */
const HASH_SEED = 0x811c9dc5 | 0;
const HASH_PRIME = 0x01000193;
/** Two cells a slot: hash, and place of the entry; 0: free. */
const CELLS = 2;
/** A key and its value lie side by side: mostly one look at memory for both. The first place is nobody's. */
const PLACES = 2;
/** Half of them stay empty at the least: a look for what is not there ends at the first such. */
const SLOTS_PER_KEY = 2;

/** The hash of no text; each character is added by `addToHash`. */
export function emptyHash(): number {
  return HASH_SEED;
}

/** The hash of text[0..to), from that of text[0..from). */
export function addToHash(hash: number, text: string, from: number, to: number): number {
  let h = hash;
  for (let i = from; i < to; i++) h = Math.imul(h ^ text.charCodeAt(i), HASH_PRIME);
  return h;
}

/** Keys and values in turn. */
type Pairs<V> = (string | V | undefined)[];

/** All that lookups need. What is removed leaves its key behind, without a value. */
interface Entries<V> {
  readonly pairs: Pairs<V>;
  readonly slots: Int32Array;
  /** Keys that have a value. */
  size: number;
}

/**
 * Values by text, for very many: hashes lie side by side in one array of numbers, so that a lookup
 * touches strings and values only where the hash is right. A Map follows a chain of entries, each of
 * which is another access to memory that no cache holds. Immutable.
 */
export class TextTable<V> {
  readonly #pairs: Readonly<Pairs<V>>;
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly size: number;

  private constructor({ pairs, slots, size }: Entries<V>) {
    this.#pairs = pairs;
    this.#slots = slots;
    this.#mask = slots.length / CELLS - 1;
    this.size = size;
  }

  static empty<V>(): TextTable<V> {
    return new TextTable<V>({ pairs: ['', undefined], slots: slotsFor(0), size: 0 });
  }

  /** By the first `length` characters of `text`, whose hash is `hash`. */
  find(text: string, length: number, hash: number): V | undefined {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = spread(hash) & mask; ; slot = (slot + 1) & mask) {
      const place = slots[slot * CELLS + 1] as number;
      if (place === 0) return undefined;
      if (slots[slot * CELLS] !== hash) continue;
      const pairs = this.#pairs;
      if (begins(text, length, pairs[place] as string)) return pairs[place + 1] as V | undefined;
    }
  }

  /**
   * A copy with these changes; a value of undefined removes the key. What is large is copied as blocks
   * of memory, and hashed again only when it has grown, or half of it is gone.
   */
  with(changes: ReadonlyMap<string, V | undefined>): TextTable<V> {
    const keysMax = this.#pairs.length / PLACES - 1 + changes.size;
    const fits = slotsFor(keysMax).length <= this.#slots.length && this.size * 2 >= keysMax;
    const entries = fits ? this.#copy() : this.#rebuilt(keysMax);
    for (const [key, value] of changes) put(entries, key, value);
    return new TextTable(entries);
  }

  #copy(): Entries<V> {
    return {
      pairs: this.#pairs.slice(),
      slots: this.#slots.slice(),
      size: this.size,
    };
  }

  #rebuilt(keysMax: number): Entries<V> {
    const entries: Entries<V> = { pairs: ['', undefined], slots: slotsFor(keysMax), size: 0 };
    const pairs = this.#pairs;
    for (let i = PLACES; i < pairs.length; i += PLACES) {
      const value = pairs[i + 1] as V | undefined;
      if (value !== undefined) put(entries, pairs[i] as string, value);
    }
    return entries;
  }
}

function slotsFor(keys: number): Int32Array {
  let slots = 8;
  while (slots < keys * SLOTS_PER_KEY) slots *= 2;
  return new Int32Array(slots * CELLS);
}

function put<V>(entries: Entries<V>, key: string, value: V | undefined): void {
  const { pairs, slots } = entries;
  const mask = slots.length / CELLS - 1;
  const hash = addToHash(HASH_SEED, key, 0, key.length);
  let slot = spread(hash) & mask;
  for (;;) {
    const place = slots[slot * CELLS + 1] as number;
    if (place === 0) break;
    if (slots[slot * CELLS] === hash && pairs[place] === key) {
      entries.size += Number(value !== undefined) - Number(pairs[place + 1] !== undefined);
      pairs[place + 1] = value;
      return;
    }
    slot = (slot + 1) & mask;
  }
  if (value === undefined) return;
  slots[slot * CELLS] = hash;
  slots[slot * CELLS + 1] = pairs.length;
  pairs.push(key, value);
  entries.size += 1;
}

/** The low bits of FNV alone are those of the last characters. */
function spread(hash: number): number {
  return hash ^ (hash >>> 15);
}

function begins(text: string, length: number, key: string): boolean {
  if (key.length !== length) return false;
  for (let i = 0; i < length; i++) {
    if (text.charCodeAt(i) !== key.charCodeAt(i)) return false;
  }
  return true;
}
