import type { SharedState, WindowCount } from '@polygate/plugin-sdk';

const SLOTS_PER_BUCKET = 8;
const SLOT_BYTES = 24;
const LOCK_BYTES = 8;
const BUCKET_BYTES = LOCK_BYTES + SLOTS_PER_BUCKET * SLOT_BYTES;
const HEADER_BYTES = 8;
/** A worker that dies inside the lock (it is held for well under a microsecond) must not stop the rest. */
const LOCK_WAIT_MAX_MS = 50;

/** Memory for counters of about `counters` keys, to be handed to all workers. */
export function allocateCounters(counters: number): SharedArrayBuffer {
  const buckets = 2 ** Math.ceil(Math.log2(Math.max(counters / SLOTS_PER_BUCKET, 1)));
  const memory = new SharedArrayBuffer(HEADER_BYTES + buckets * BUCKET_BYTES);
  // Seeded, so that nobody can choose keys that fall into one bucket.
  crypto.getRandomValues(new Uint32Array(2)).forEach((seed, i) => {
    new Uint32Array(memory)[i] = seed;
  });
  return memory;
}

/**
 * Fixed-window counters in shared memory: a hash table of buckets with eight slots, one spin lock a
 * bucket. Keys are kept as 64-bit hashes. In a full bucket the counter nearest to its end gives way.
 *
 * Slot: hash (2 × int32), end of window (float64, ms since the epoch), count (int32), unused (int32).
 */
export class SharedCounters implements SharedState {
  readonly #words: Int32Array;
  readonly #ends: Float64Array;
  readonly #seeds: readonly [number, number];
  readonly #bucketMask: number;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#ends = new Float64Array(memory);
    this.#seeds = [this.#words[0] as number, this.#words[1] as number];
    this.#bucketMask = (memory.byteLength - HEADER_BYTES) / BUCKET_BYTES - 1;
  }

  clearWindow(key: string): void {
    const first = hash(key, this.#seeds[0]);
    const second = hash(key, this.#seeds[1]);
    const bucket = this.#bucketOf(first);
    this.#lock(bucket);
    try {
      const slot = this.#find(bucket, first, second, Date.now());
      if (slot !== -1) this.#ends[slot / 2 + 1] = 0;
    } finally {
      Atomics.store(this.#words, bucket, 0);
    }
  }

  incrementWindow(key: string, cost: number, windowMs: number): WindowCount {
    const first = hash(key, this.#seeds[0]);
    const second = hash(key, this.#seeds[1]);
    const bucket = this.#bucketOf(first);
    this.#lock(bucket);
    try {
      return this.#count(bucket, first, second, cost, windowMs);
    } finally {
      Atomics.store(this.#words, bucket, 0);
    }
  }

  #count(
    bucket: number,
    first: number,
    second: number,
    cost: number,
    windowMs: number,
  ): WindowCount {
    const words = this.#words;
    const now = Date.now();
    let slot = this.#find(bucket, first, second, now);
    if (slot === -1) {
      if (cost === 0) return { count: 0, resetMs: windowMs };
      slot = this.#nearestToItsEnd(bucket);
      words[slot] = first;
      words[slot + 1] = second;
      words[slot + 4] = 0;
      this.#ends[slot / 2 + 1] = now + windowMs;
    }
    const count = (words[slot + 4] as number) + cost;
    words[slot + 4] = count;
    return { count, resetMs: (this.#ends[slot / 2 + 1] as number) - now };
  }

  /** The slot of a window that has not ended, or -1. */
  #find(bucket: number, first: number, second: number, now: number): number {
    const words = this.#words;
    for (let i = 0; i < SLOTS_PER_BUCKET; i++) {
      const at = bucket + (LOCK_BYTES + i * SLOT_BYTES) / 4;
      if (words[at] !== first || words[at + 1] !== second) continue;
      if ((this.#ends[at / 2 + 1] as number) > now) return at;
    }
    return -1;
  }

  #nearestToItsEnd(bucket: number): number {
    let nearest = -1;
    let nearestEnd = Infinity;
    for (let i = 0; i < SLOTS_PER_BUCKET; i++) {
      const at = bucket + (LOCK_BYTES + i * SLOT_BYTES) / 4;
      const end = this.#ends[at / 2 + 1] as number;
      if (end >= nearestEnd) continue;
      nearest = at;
      nearestEnd = end;
    }
    return nearest;
  }

  #bucketOf(first: number): number {
    return (HEADER_BYTES + (first & this.#bucketMask) * BUCKET_BYTES) / 4;
  }

  #lock(bucket: number): void {
    let startedMs = 0;
    while (Atomics.compareExchange(this.#words, bucket, 0, 1) !== 0) {
      const now = performance.now();
      if (startedMs === 0) startedMs = now;
      else if (now - startedMs > LOCK_WAIT_MAX_MS) return;
    }
  }
}

/** FNV-1a over UTF-16 code units, with a finishing mix. */
function hash(key: string, seed: number): number {
  let h = seed ^ 0x811c9dc5;
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  return (h ^ (h >>> 13)) | 0;
}
