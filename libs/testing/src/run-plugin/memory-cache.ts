import type { CacheEntry, SharedCache } from '@polygate/plugin-sdk';

/** A SharedCache of one thread, without a bound. `now` in milliseconds. */
export class MemoryCache implements SharedCache {
  readonly entries = new Map<string, { readonly value: Buffer; readonly endMs: number }>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  get(key: string): CacheEntry | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    return { value: Buffer.from(entry.value), isExpired: entry.endMs <= this.#now() };
  }

  set(key: string, value: readonly Uint8Array[], ttlMs: number): boolean {
    this.entries.set(key, { value: Buffer.concat(value), endMs: this.#now() + ttlMs });
    return true;
  }

  delete(key: string): void {
    this.entries.delete(key);
  }
}
