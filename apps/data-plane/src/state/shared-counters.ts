import type { BoundedCount, QuotaCount, SharedState, WindowCount } from '@polygate/plugin-sdk';

const SLOTS_PER_BUCKET = 8;
const SLOT_BYTES = 32;
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

/** What is counted where nothing can be kept: as much as it takes to be refused. */
const UNCOUNTED = Number.MAX_SAFE_INTEGER;

// Numbers of a slot, counted in float64 from the one with the hash.
const END = 1;
const VALUE = 2;
const SECOND = 3;

/**
 * Counters in shared memory: a hash table of buckets with eight slots, one spin lock a bucket. Keys are
 * kept as 64-bit hashes. In a full bucket the counter nearest to its end gives way; places that are taken
 * have no end, and do not.
 *
 * Slot: hash (2 × int32), then float64: the end (ms since the epoch; 0: free), the value, a second value.
 *
 * | of | value | second value |
 * |---|---|---|
 * | a window | count | |
 * | a bucket | excess, in requests | when that was so, ms since the epoch |
 * | places | how many are taken | |
 * | a quota | what was granted | what was taken of it and is not settled |
 */
export class SharedCounters implements SharedState {
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #seeds: readonly [number, number];
  readonly #bucketMask: number;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#numbers = new Float64Array(memory);
    this.#seeds = [this.#words[0] as number, this.#words[1] as number];
    this.#bucketMask = (memory.byteLength - HEADER_BYTES) / BUCKET_BYTES - 1;
  }

  clearWindow(key: string): void {
    this.#locked(key, (slot) => {
      if (slot !== -1) this.#numbers[slot + END] = 0;
    });
  }

  // The one that every request of limit-count goes through: without a closure.
  incrementWindow(key: string, cost: number, windowMs: number): WindowCount {
    const first = hash(key, this.#seeds[0]);
    const second = hash(key, this.#seeds[1]);
    const bucket = this.#bucketOf(first);
    this.#lock(bucket);
    try {
      const now = Date.now();
      let slot = this.#find(bucket, first, second, now);
      if (slot === -1) {
        if (cost === 0) return { count: 0, resetMs: windowMs };
        slot = this.#claim(bucket, first, second, now + windowMs);
        if (slot === -1) return { count: UNCOUNTED, resetMs: windowMs };
      }
      return this.#add(slot, cost, now);
    } finally {
      Atomics.store(this.#words, bucket, 0);
    }
  }

  incrementWindowBelow(key: string, cost: number, windowMs: number, limit: number): BoundedCount {
    return this.#locked(key, (found, now, claim) => {
      if (found === -1 && limit <= 0) return { count: 0, resetMs: windowMs, isAdmitted: false };
      const slot = found === -1 ? claim(now + windowMs) : found;
      if (slot === -1) return { count: UNCOUNTED, resetMs: windowMs, isAdmitted: false };
      const isAdmitted = (this.#numbers[slot + VALUE] as number) < limit;
      return { ...this.#add(slot, isAdmitted ? cost : 0, now), isAdmitted };
    });
  }

  /** Source: resty.limit.req, which keeps an empty bucket for ever; here it goes when it is empty. */
  pourIntoBucket(key: string, ratePerSecond: number, burst: number): number {
    return this.#locked(key, (found, now, claim) => {
      const numbers = this.#numbers;
      let excess = 0;
      if (found !== -1) {
        const elapsedMs = Math.abs(now - (numbers[found + SECOND] as number));
        const before = numbers[found + VALUE] as number;
        excess = Math.max(before - (ratePerSecond * elapsedMs) / 1000 + 1, 0);
        if (excess > burst) return -1;
      }
      const emptyAtMs = now + ((excess + 1) / ratePerSecond) * 1000;
      const slot = found === -1 ? claim(emptyAtMs) : found;
      if (slot === -1) return -1;
      numbers[slot + END] = emptyAtMs;
      numbers[slot + VALUE] = excess;
      numbers[slot + SECOND] = now;
      return excess;
    });
  }

  takePlace(key: string, max: number): number {
    return this.#locked(key, (found, now, claim) => {
      if (found !== -1 && (this.#numbers[found + VALUE] as number) >= max) return 0;
      const slot = found === -1 && max > 0 ? claim(Infinity) : found;
      return slot === -1 ? 0 : this.#add(slot, 1, now).count;
    });
  }

  releasePlace(key: string): number {
    return this.#locked(key, (slot, now) => {
      if (slot === -1) return 0;
      const { count } = this.#add(slot, -1, now);
      if (count <= 0) this.#numbers[slot + END] = 0;
      return Math.max(0, count);
    });
  }

  takeFromQuota(key: string, cost: number): QuotaCount | undefined {
    return this.#locked(key, (slot, now) => {
      if (slot === -1) return undefined;
      const numbers = this.#numbers;
      const taken = numbers[slot + SECOND] as number;
      const remaining = (numbers[slot + VALUE] as number) - taken - cost;
      if (remaining >= 0) numbers[slot + SECOND] = taken + cost;
      return { remaining, resetMs: (numbers[slot + END] as number) - now };
    });
  }

  grantQuota(key: string, remaining: number, resetMs: number, settled: number): void {
    this.#locked(key, (found, now, claim) => {
      const numbers = this.#numbers;
      const slot = found === -1 ? claim(now + resetMs) : found;
      if (slot === -1) return;
      numbers[slot + END] = now + resetMs;
      numbers[slot + VALUE] = remaining;
      numbers[slot + SECOND] = Math.max(0, (numbers[slot + SECOND] as number) - settled);
    });
  }

  /** `act` gets the slot of `key`, or -1 and a way to have one. */
  #locked<T>(
    key: string,
    act: (slot: number, now: number, claim: (endMs: number) => number) => T,
  ): T {
    const first = hash(key, this.#seeds[0]);
    const second = hash(key, this.#seeds[1]);
    const bucket = this.#bucketOf(first);
    this.#lock(bucket);
    try {
      const now = Date.now();
      const slot = this.#find(bucket, first, second, now);
      return act(slot, now, (endMs) => this.#claim(bucket, first, second, endMs));
    } finally {
      Atomics.store(this.#words, bucket, 0);
    }
  }

  #add(slot: number, cost: number, now: number): WindowCount {
    const count = (this.#numbers[slot + VALUE] as number) + cost;
    this.#numbers[slot + VALUE] = count;
    return { count, resetMs: (this.#numbers[slot + END] as number) - now };
  }

  /** Where the numbers of the key's slot begin, or -1 when it has none that has not ended. */
  #find(bucket: number, first: number, second: number, now: number): number {
    const words = this.#words;
    for (let i = 0; i < SLOTS_PER_BUCKET; i++) {
      const at = bucket + (LOCK_BYTES + i * SLOT_BYTES) / 4;
      if (words[at] !== first || words[at + 1] !== second) continue;
      if ((this.#numbers[at / 2 + END] as number) > now) return at / 2;
    }
    return -1;
  }

  /** A slot with its values at 0; -1 when places that are taken fill the bucket. */
  #claim(bucket: number, first: number, second: number, endMs: number): number {
    const slot = this.#nearestToItsEnd(bucket);
    if (slot === -1) return -1;
    const numbers = this.#numbers;
    this.#words[slot * 2] = first;
    this.#words[slot * 2 + 1] = second;
    numbers[slot + END] = endMs;
    numbers[slot + VALUE] = 0;
    numbers[slot + SECOND] = 0;
    return slot;
  }

  #nearestToItsEnd(bucket: number): number {
    let nearest = -1;
    let nearestEnd = Infinity;
    for (let i = 0; i < SLOTS_PER_BUCKET; i++) {
      const slot = (bucket + (LOCK_BYTES + i * SLOT_BYTES) / 4) / 2;
      const end = this.#numbers[slot + END] as number;
      if (end >= nearestEnd) continue;
      nearest = slot;
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
