/** What was found in a cache. */
export interface CacheEntry {
  readonly value: Buffer;
  /** Its time is over: good for nothing but to say so. */
  readonly isExpired: boolean;
}

/**
 * Values by key that all worker threads of a process see. Bounded by its bytes: the ones that were
 * used longest ago give way.
 */
export interface SharedCache {
  /** A copy. */
  get(key: string): CacheEntry | undefined;
  /** False: too large to be kept. */
  set(key: string, value: readonly Uint8Array[], ttlMs: number): boolean;
  delete(key: string): void;
}
