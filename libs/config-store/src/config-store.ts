/** One stored value. Indexes are store revisions, as in etcd. */
export interface StoredItem {
  /** Below the prefix, as `/routes/1`. */
  readonly key: string;
  /**
   * Parsed JSON. Undefined where the stored bytes are no JSON: `invalid` says why, and whoever
   * reads decides what to keep.
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
 * What a watch yields. A `resync` replaces everything the reader knows: it is the first event (but
 * for a `status`), and comes again whenever changes may have been missed (compaction, restored
 * backup). After it come `changes`, in order of revision, none left out; a file store gives the sum
 * of what a slow reader missed instead.
 */
export type WatchEvent =
  | { readonly kind: 'resync'; readonly revision: number; readonly items: readonly StoredItem[] }
  | { readonly kind: 'changes'; readonly revision: number; readonly changes: readonly Change[] }
  /**
   * The store is out of reach or its file is bad, or it is well again. A reader takes it for well
   * until told otherwise. What was read stays valid.
   */
  | { readonly kind: 'status'; readonly connected: boolean; readonly reason?: string };

export interface WriteOptions {
  /** Write only if the item's modifiedIndex is this; 0: only if there is no item. */
  readonly ifModifiedIndex?: number;
  /** Seconds until the item vanishes. A later write without it makes the item stay. */
  readonly ttlSeconds?: number;
}

export interface WriteResult {
  readonly item: StoredItem;
  readonly created: boolean;
}

/**
 * Where the configuration lives. Keys are below the store's prefix and begin with a slash. What
 * APISIX keeps there for itself (`gen_id`, `<kind>/`) is neither listed nor watched. Everything
 * rejects with StoreError, within the store's time limit.
 */
export interface ConfigStore {
  /** False for stores that are only read, as the standalone file. */
  readonly writable: boolean;
  get(key: string): Promise<StoredItem | undefined>;
  /** Everything below `prefix` (which ends with a slash), by createdIndex. */
  list(prefix: string): Promise<{ revision: number; items: StoredItem[] }>;
  /**
   * Rejects with StoreError CONFLICT when `ifModifiedIndex` does not hold. After UNAVAILABLE the
   * value may have been written or not.
   */
  put(key: string, value: unknown, options?: WriteOptions): Promise<WriteResult>;
  /**
   * Puts under `<dir>/<20-digit revision>`, the id APISIX gives to a POST; sets `id` in a value
   * that is an object. `dir` as `/routes`.
   */
  push(dir: string, value: unknown, options?: WriteOptions): Promise<WriteResult & { id: string }>;
  /** The number of items deleted: 0 or 1. */
  delete(key: string): Promise<number>;
  /** Deletes everything below `prefix` (which ends with a slash); answers how many items. */
  deletePrefix(prefix: string): Promise<number>;
  /**
   * All changes below the store's prefix, until `signal` aborts or the store is closed. Never ends
   * otherwise: it reconnects and resumes where it was.
   */
  watch(signal: AbortSignal): AsyncIterable<WatchEvent>;
  close(): Promise<void>;
}
