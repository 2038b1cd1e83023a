import type { PluginCalls } from '@polygate/rpc';

const NAMES_MAX = 256;
/** Percentiles are of this to twice this time back. */
const WINDOW_MS = 150_000;
/** Each doubling is cut into this many buckets, so that a percentile is at most 13 % off. */
const STEPS_PER_DOUBLING = 8;
const STEP_BITS = 3;
/** 2 ** 28 µs is four and a half minutes. */
const DOUBLINGS = 28;
const BUCKETS = DOUBLINGS * STEPS_PER_DOUBLING;

/** Calls of one plugin: how many, how many failed, how long they took lately. Of fixed size. */
export class CallStats {
  calls = 0;
  failures = 0;
  #current = new Uint32Array(BUCKETS);
  #previous = new Uint32Array(BUCKETS);
  #windowEndMs = 0;

  /** @param nowMs Of `performance.now()`. */
  note(durationUs: number, hasFailed: boolean, nowMs: number): void {
    if (nowMs >= this.#windowEndMs) this.#turn(nowMs);
    this.calls += 1;
    if (hasFailed) this.failures += 1;
    const bucket = bucketOf(durationUs);
    this.#current[bucket] = (this.#current[bucket] ?? 0) + 1;
  }

  /** In microseconds, the upper end of the bucket; 0 where nothing was called lately. */
  percentilesUs(parts: readonly number[], nowMs: number): number[] {
    if (nowMs >= this.#windowEndMs) this.#turn(nowMs);
    const counts = this.#current.map((count, bucket) => count + (this.#previous[bucket] ?? 0));
    const total = counts.reduce((sum, count) => sum + count, 0);
    return parts.map((part) => (total === 0 ? 0 : percentile(counts, Math.ceil(total * part))));
  }

  #turn(nowMs: number): void {
    const isLongAgo = nowMs >= this.#windowEndMs + WINDOW_MS;
    const emptied = this.#previous.fill(0);
    this.#previous = isLongAgo ? this.#current.fill(0) : this.#current;
    this.#current = emptied;
    this.#windowEndMs = nowMs + WINDOW_MS;
  }
}

/** The stats of all plugins of one pool by name; those past the first 256 share one. */
export class PluginStats {
  readonly #byName = new Map<string, CallStats>();
  readonly #others = new CallStats();

  of(plugin: string): CallStats {
    const known = this.#byName.get(plugin);
    if (known !== undefined) return known;
    if (this.#byName.size >= NAMES_MAX || plugin === '') return this.#others;
    const stats = new CallStats();
    this.#byName.set(plugin, stats);
    return stats;
  }

  totals(): { calls: number; failures: number } {
    let { calls, failures } = this.#others;
    for (const stats of this.#byName.values()) {
      calls += stats.calls;
      failures += stats.failures;
    }
    return { calls, failures };
  }

  list(): PluginCalls[] {
    const nowMs = performance.now();
    const all = this.#others.calls === 0 ? [] : [['', this.#others] as const];
    return [...this.#byName, ...all].map(([plugin, stats]) => {
      const [p50Us = 0, p99Us = 0] = stats.percentilesUs([0.5, 0.99], nowMs);
      return { plugin, calls: stats.calls, failures: stats.failures, p50Us, p99Us };
    });
  }
}

/** Exact below 16 µs, then by the leading four bits. */
function bucketOf(durationUs: number): number {
  const us = Math.min(Math.max(durationUs, 0), 2 ** DOUBLINGS - 1) >>> 0;
  if (us < STEPS_PER_DOUBLING) return us;
  const exponent = 31 - Math.clz32(us);
  const step = (us >>> (exponent - STEP_BITS)) & (STEPS_PER_DOUBLING - 1);
  return Math.min((exponent - STEP_BITS + 1) * STEPS_PER_DOUBLING + step, BUCKETS - 1);
}

function upperEndUs(bucket: number): number {
  if (bucket < STEPS_PER_DOUBLING) return bucket;
  const exponent = Math.floor(bucket / STEPS_PER_DOUBLING) + STEP_BITS - 1;
  const step = bucket % STEPS_PER_DOUBLING;
  const width = 2 ** (exponent - STEP_BITS);
  return 2 ** exponent + (step + 1) * width - 1;
}

function percentile(counts: Uint32Array, rank: number): number {
  let seen = 0;
  for (const [bucket, count] of counts.entries()) {
    seen += count;
    if (seen >= rank) return upperEndUs(bucket);
  }
  return upperEndUs(BUCKETS - 1);
}
