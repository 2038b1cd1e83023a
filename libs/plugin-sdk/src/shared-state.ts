/** A counter of a fixed time window, exact across the worker threads of one process. */
export interface WindowCount {
  /** The count after this call. */
  readonly count: number;
  /** Milliseconds until the window ends and the count begins anew. */
  readonly resetMs: number;
}

/** A counter that only what is let in is added to. */
export interface BoundedCount extends WindowCount {
  /** False: the count was at its limit already, and stays as it is. */
  readonly isAdmitted: boolean;
}

/** What is left of a quota that another system grants. */
export interface QuotaCount {
  /** Below zero: not enough is left, and nothing was taken. */
  readonly remaining: number;
  /** Milliseconds until the quota has to be granted anew. */
  readonly resetMs: number;
}

/** What outlives a configuration. Keys should begin with the plugin's name and the resource's id. */
export interface SharedState {
  /**
   * Adds `cost` to the counter of `key`; the window begins with the first call. With a `cost` of 0 it
   * only looks. Bounded: when the table is full the counter nearest to its end gives way.
   */
  incrementWindow(key: string, cost: number, windowMs: number): WindowCount;
  /** Ends the window of `key` now: its next call begins one anew. */
  clearWindow(key: string): void;
  /** As `incrementWindow`, but a count of `limit` or more (which may be a fraction) is left as it is. */
  incrementWindowBelow(key: string, cost: number, windowMs: number, limit: number): BoundedCount;
  /**
   * Pours one request into a leaky bucket that loses `ratePerSecond` requests a second. Returns how many
   * are in it beyond the one that is served at once (a fraction; 0 for the first), or -1 when that would
   * be over `burst`; then nothing is poured in.
   */
  pourIntoBucket(key: string, ratePerSecond: number, burst: number): number;
  /**
   * Takes one of `max` places. Returns how many are taken now, or 0 when all were. Each place that was
   * taken has to be given back by `releasePlace`, once; it is never given away for want of memory.
   */
  takePlace(key: string, max: number): number;
  /** Returns how many are still taken. */
  releasePlace(key: string): number;
  /** Takes `cost` from the quota of `key`; undefined when none is granted, or its time is over. */
  takeFromQuota(key: string, cost: number): QuotaCount | undefined;
  /**
   * Grants `remaining` for `resetMs`. `settled` of what was taken is in that number already; what was
   * taken besides, by other threads too, is not.
   */
  grantQuota(key: string, remaining: number, resetMs: number, settled: number): void;
}
