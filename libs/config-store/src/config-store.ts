/** One stored value. Indexes are store revisions, as in etcd. */
export interface StoredItem {
  /** Below the prefix, as `/routes/1`. */
  readonly key: string;
  /**
   * Parsed JSON. Undefined where the stored bytes are no JSON: `invalid` says why, and whoever reads
   * decides what to keep.
   */
  readonly value: unknown;
  readonly invalid?: string;
  readonly createdIndex: number;
  readonly modifiedIndex: number;
}

export type Change =
  | { readonly kind: 'put'; readonly item: StoredItem }
  | { readonly kind: 'delete'; readonly key: string; readonly revision: number };

/**
 * What a watch yields. A `resync` replaces everything the reader knows: it comes first, and again
 * whenever changes may have been missed (compaction, restored backup). After it come `changes`, in
 * order of revision, none left out.
 */
export type WatchEvent =
  | { readonly kind: 'resync'; readonly revision: number; readonly items: readonly StoredItem[] }
  | { readonly kind: 'changes'; readonly revision: number; readonly changes: readonly Change[] }
  /** The store is out of reach, or back. What was read stays valid. */
  | { readonly kind: 'status'; readonly connected: boolean; readonly reason?: string };

export interface WriteOptions {
  /** Write only if the item's modifiedIndex is this; 0: only if there is none. */
  readonly ifModifiedIndex?: number;
  /** Seconds until the item vanishes. */
  readonly ttlSeconds?: number;
}

export interface WriteResult {
  readonly item: StoredItem;
  readonly created: boolean;
}

/** Where the configuration lives. Keys are below the store's prefix and begin with a slash. */
export interface ConfigStore {
  /** False for stores that are only read, as the standalone file. */
  readonly writable: boolean;
  get(key: string): Promise<StoredItem | undefined>;
  /** Everything below `prefix` (which ends with a slash), by createdIndex. */
  list(prefix: string): Promise<{ revision: number; items: StoredItem[] }>;
  /** Rejects with StoreError CONFLICT when `ifModifiedIndex` does not hold. */
  put(key: string, value: unknown, options?: WriteOptions): Promise<WriteResult>;
  /** Puts under `<dir>/<20-digit revision>`, the id APISIX gives to a POST. */
  push(dir: string, value: unknown, options?: WriteOptions): Promise<WriteResult & { id: string }>;
  /** The number of items deleted: 0 or 1. */
  delete(key: string): Promise<number>;
  /** Deletes everything below `prefix`. */
  deletePrefix(prefix: string): Promise<number>;
  /**
   * All changes below the store's prefix, until `signal` aborts. Never ends by itself: it reconnects
   * and resumes where it was.
   */
  watch(signal: AbortSignal): AsyncIterable<WatchEvent>;
  close(): Promise<void>;
}
