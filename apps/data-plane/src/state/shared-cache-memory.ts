import type { CacheEntry, CacheZone, SharedCache } from '@polygate/plugin-sdk';

/** Words of the head: lock, unused, two seeds; then where the ring is written and where it ends (float64). */
const LOCK = 0;
const SEEDS = 2;
const WRITTEN = 2;
const TAIL = 3;
const HEAD_BYTES = 32;
/** Hash (2 × int32) and position in the ring plus one (float64); 0: free. */
const SLOT_BYTES = 16;
const SLOTS_PER_BUCKET = 8;
const BUCKET_BYTES = SLOT_BYTES * SLOTS_PER_BUCKET;
/** A slot for so many bytes: most answers are larger. */
const BYTES_PER_SLOT = 1024;
/** Length of the record, hash (2), length of the key, of the value, unused (int32 each); end (float64). */
const RECORD_BYTES = 32;
const ALIGNMENT = 16;
const FILLER = -1;
/** What is larger would push out too much at once. */
const PARTS_OF_LARGEST = 4;
/** Held for some milliseconds at most: who holds it longer has died. */
const LOCK_WAIT_MAX_MS = 1000;

/** Memory for the zones that are not on disk, by name. */
export function allocateCaches(
  zones: readonly CacheZone[],
): ReadonlyMap<string, SharedArrayBuffer> {
  const inMemory = zones.filter(({ disk }) => disk === undefined);
  return new Map(inMemory.map(({ name, memoryBytes }) => [name, allocateCache(memoryBytes)]));
}

/** Memory for a cache of so many bytes, to be handed to all workers. */
export function allocateCache(bytes: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(Math.max(64 * 1024, Math.ceil(bytes / 64) * 64));
  // seeded, so that nobody can choose keys that fall into one bucket
  crypto.getRandomValues(new Uint32Array(2)).forEach((seed, i) => {
    new Uint32Array(memory)[SEEDS + i] = seed;
  });
  return memory;
}

/**
 * A cache in memory that threads share: records in a ring, found by a hash table of buckets. What is
 * written pushes out what is oldest; what is read and old is written anew, so that the ones used
 * longest ago go first, nearly as in nginx's shared dictionaries.
 */
export class SharedCacheMemory implements SharedCache {
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #buckets: number;
  readonly #ringStart: number;
  readonly #ringBytes: number;
  readonly #now: () => number;

  constructor(memory: SharedArrayBuffer, now: () => number = Date.now) {
    this.#words = new Int32Array(memory);
    this.#numbers = new Float64Array(memory);
    this.#bytes = new Uint8Array(memory);
    this.#now = now;
    this.#buckets = Math.ceil(memory.byteLength / BYTES_PER_SLOT / SLOTS_PER_BUCKET);
    this.#ringStart = HEAD_BYTES + this.#buckets * BUCKET_BYTES;
    this.#ringBytes = Math.floor((memory.byteLength - this.#ringStart) / ALIGNMENT) * ALIGNMENT;
  }

  get(key: string): CacheEntry | undefined {
    const wanted = Buffer.from(key);
    const hash = this.#hash(wanted);
    return this.#locked(() => {
      const slot = this.#find(hash, wanted);
      if (slot === -1) return undefined;
      const position = this.#positionIn(slot);
      const at = this.#offset(position);
      const valueAt = at + RECORD_BYTES + wanted.length;
      const value = Buffer.allocUnsafe(this.#words[at / 4 + 4] as number);
      value.set(this.#bytes.subarray(valueAt, valueAt + value.length));
      const endMs = this.#numbers[at / 8 + 3] as number;
      const isExpired = endMs <= this.#now();
      const isOld = (this.#numbers[WRITTEN] as number) - position > this.#ringBytes / 2;
      if (isOld && !isExpired) this.#append(hash, wanted, [value], endMs);
      return { value, isExpired };
    });
  }

  set(key: string, value: readonly Uint8Array[], ttlMs: number): boolean {
    const wanted = Buffer.from(key);
    const hash = this.#hash(wanted);
    const bytes = value.reduce((sum, part) => sum + part.length, wanted.length + RECORD_BYTES);
    if (bytes > this.#ringBytes / PARTS_OF_LARGEST) return false;
    this.#locked(() => this.#append(hash, wanted, value, this.#now() + ttlMs));
    return true;
  }

  delete(key: string): void {
    const wanted = Buffer.from(key);
    const hash = this.#hash(wanted);
    this.#locked(() => {
      const slot = this.#find(hash, wanted);
      if (slot !== -1) this.#numbers[slot / 8 + 1] = 0;
    });
  }

  #append(hash: Hash, key: Buffer, value: readonly Uint8Array[], endMs: number): void {
    const former = this.#find(hash, key);
    if (former !== -1) this.#numbers[former / 8 + 1] = 0;
    const valueBytes = value.reduce((sum, part) => sum + part.length, 0);
    const length = Math.ceil((RECORD_BYTES + key.length + valueBytes) / ALIGNMENT) * ALIGNMENT;
    const position = this.#reserve(length);
    const at = this.#offset(position);
    const words = this.#words;
    const word = at / 4;
    words[word] = length;
    words[word + 1] = hash.first;
    words[word + 2] = hash.second;
    words[word + 3] = key.length;
    words[word + 4] = valueBytes;
    this.#numbers[at / 8 + 3] = endMs;
    this.#bytes.set(key, at + RECORD_BYTES);
    let offset = at + RECORD_BYTES + key.length;
    for (const part of value) {
      this.#bytes.set(part, offset);
      offset += part.length;
    }
    const slot = this.#freeSlot(hash);
    words[slot / 4] = hash.first;
    words[slot / 4 + 1] = hash.second;
    this.#numbers[slot / 8 + 1] = position + 1;
  }

  /** Room for a record in one piece; what lies there is forgotten. */
  #reserve(length: number): number {
    const numbers = this.#numbers;
    let position = numbers[WRITTEN] as number;
    const left = this.#ringBytes - (position % this.#ringBytes);
    if (left < length) {
      this.#makeRoom(position + left);
      const word = this.#offset(position) / 4;
      this.#words[word] = left;
      if (left >= RECORD_BYTES) this.#words[word + 3] = FILLER;
      position += left;
    }
    this.#makeRoom(position + length);
    numbers[WRITTEN] = position + length;
    return position;
  }

  #makeRoom(end: number): void {
    const numbers = this.#numbers;
    let tail = numbers[TAIL] as number;
    while (end - tail > this.#ringBytes) {
      const at = this.#offset(tail);
      const length = this.#words[at / 4] as number;
      if (length < ALIGNMENT) throw new RangeError('the ring is damaged');
      if (length >= RECORD_BYTES && this.#words[at / 4 + 3] !== FILLER) this.#forget(at, tail);
      tail += length;
    }
    numbers[TAIL] = tail;
  }

  #forget(at: number, position: number): void {
    const first = this.#words[at / 4 + 1] as number;
    const bucket = this.#bucketOf(first);
    for (let i = 0; i < SLOTS_PER_BUCKET; i++) {
      const number = (bucket + i * SLOT_BYTES) / 8 + 1;
      if (this.#numbers[number] === position + 1) this.#numbers[number] = 0;
    }
  }

  /** Where the slot of a key lies, or -1. */
  #find({ first, second }: Hash, key: Buffer): number {
    const bucket = this.#bucketOf(first);
    for (let i = 0; i < SLOTS_PER_BUCKET; i++) {
      const slot = bucket + i * SLOT_BYTES;
      if (this.#numbers[slot / 8 + 1] === 0) continue;
      if (this.#words[slot / 4] !== first || this.#words[slot / 4 + 1] !== second) continue;
      const at = this.#offset(this.#positionIn(slot));
      if (this.#words[at / 4 + 3] !== key.length) continue;
      const keyAt = at + RECORD_BYTES;
      if (key.equals(this.#bytes.subarray(keyAt, keyAt + key.length))) return slot;
    }
    return -1;
  }

  /** The oldest gives way where none is free. */
  #freeSlot({ first }: Hash): number {
    const bucket = this.#bucketOf(first);
    let oldest = bucket;
    for (let i = 0; i < SLOTS_PER_BUCKET; i++) {
      const slot = bucket + i * SLOT_BYTES;
      const position = this.#numbers[slot / 8 + 1] as number;
      if (position === 0) return slot;
      if (position < (this.#numbers[oldest / 8 + 1] as number)) oldest = slot;
    }
    return oldest;
  }

  #positionIn(slot: number): number {
    return (this.#numbers[slot / 8 + 1] as number) - 1;
  }

  #offset(position: number): number {
    return this.#ringStart + (position % this.#ringBytes);
  }

  #bucketOf(first: number): number {
    return HEAD_BYTES + ((first >>> 0) % this.#buckets) * BUCKET_BYTES;
  }

  #hash(key: Buffer): Hash {
    const first = hashOf(key, this.#words[SEEDS] as number);
    return { first, second: hashOf(key, this.#words[SEEDS + 1] as number) };
  }

  /** A thread that died in the middle may have left anything: then all is forgotten. */
  #locked<T>(work: () => T): T | undefined {
    const words = this.#words;
    const deadlineMs = performance.now() + LOCK_WAIT_MAX_MS;
    while (Atomics.compareExchange(words, LOCK, 0, 1) !== 0) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs > 0) Atomics.wait(words, LOCK, 1, leftMs);
      else this.#clear();
      if (leftMs <= 0) break;
    }
    try {
      return work();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#clear();
      return undefined;
    } finally {
      Atomics.store(words, LOCK, 0);
      Atomics.notify(words, LOCK, 1);
    }
  }

  #clear(): void {
    this.#bytes.fill(0, HEAD_BYTES, this.#ringStart);
    this.#numbers[WRITTEN] = 0;
    this.#numbers[TAIL] = 0;
  }
}

interface Hash {
  readonly first: number;
  readonly second: number;
}

/** FNV-1a with a finishing mix. */
function hashOf(key: Buffer, seed: number): number {
  let h = seed ^ 0x811c9dc5;
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ (key[i] as number), 0x01000193);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  return (h ^ (h >>> 13)) | 0;
}
