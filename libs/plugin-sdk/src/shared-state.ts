/** A counter of a fixed time window, exact across the worker threads of one process. */
export interface WindowCount {
  /** The count after this call. */
  readonly count: number;
  /** Milliseconds until the window ends and the count begins anew. */
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
}
