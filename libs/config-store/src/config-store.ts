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
  /** The modifiedIndex of what was replaced; 0 where there was nothing. */
  readonly previousIndex: number;
}

export interface DeleteResult {
  /** Items. */
  readonly deleted: number;
  /** Of the store, after the deletion; of no meaning where nothing was deleted. */
  readonly revision: number;
  /** The modifiedIndex of the one item; 0 where there was nothing, and for a prefix. */
  readonly previousIndex: number;
}

/** One step of a transaction. `deleteBelow` takes a prefix, which ends with a slash. */
export type Operation =
  | { readonly kind: 'put'; readonly key: string; readonly value: unknown }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'deleteBelow'; readonly prefix: string };

/** What a transaction was decided on: it happens only where all of this still holds. */
export interface Guards {
  /** modifiedIndex by key; 0: there is no such item. */
  readonly items?: ReadonlyMap<string, number>;
  /** Nothing below these prefixes was written after the revision `since`. Deletions do not count. */
  readonly unwritten?: { readonly prefixes: readonly string[]; readonly since: number };
}

export interface RevisionChange {
  readonly key: string;
  readonly kind: 'put' | 'delete';
}

/** What happened in one revision, without the values. */
export interface RevisionEntry {
  readonly revision: number;
  /** The first ones of `total`, at most CHANGES_SHOWN_MAX. */
  readonly changes: readonly RevisionChange[];
  readonly total: number;
}

/** A transaction changes up to ten thousand items: their keys would fill an answer. */
export const CHANGES_SHOWN_MAX = 100;

export interface HistoryQuery {
  /** Of this item only. */
  readonly key?: string;
  /** Only revisions smaller than this one. */
  readonly before?: number;
  /** How many revisions at most. */
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
}

export interface History {
  /** Newest first. */
  readonly entries: readonly RevisionEntry[];
  /** Where to go on, as `before`; undefined where nothing older is kept or looked at. */
  readonly nextBefore: number | undefined;
  /** The store can be read at this revision and every later one. */
  readonly oldest: number;
}

/**
 * Where the configuration lives. Keys are below the store's prefix and begin with a slash. What
 * APISIX keeps there for itself (`gen_id`, `<kind>/`) is neither listed nor watched. Everything
 * rejects with StoreError, within the store's time limit.
 */
export interface ConfigStore {
  /** False for stores that are only read, as the standalone file. */
  readonly writable: boolean;
  /** Of the program that keeps it, as `3.5.9`; left out where there is none beside ourselves. */
  serverVersion?(): Promise<string>;
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
  delete(key: string): Promise<DeleteResult>;
  /** Deletes everything below `prefix`, which ends with a slash. */
  deletePrefix(prefix: string): Promise<DeleteResult>;
  /**
   * Does all of it in one revision, or nothing; answers that revision, which is the present one
   * where nothing was there to do. No two operations may concern the same item. Rejects with
   * StoreError CONFLICT when a guard does not hold, and TOO_MANY or TOO_LARGE for more than the
   * store takes at once. After UNAVAILABLE it may have happened or not.
   */
  transact(operations: readonly Operation[], guards?: Guards): Promise<{ revision: number }>;
  /**
   * `list` as it was at a revision. Rejects with StoreError COMPACTED when that is no longer kept,
   * and FUTURE when the store has not come there yet.
   */
  listAt(prefix: string, revision: number): Promise<StoredItem[]>;
  /** Which revisions changed what, as far back as the store keeps it and is ready to look. */
  history(query: HistoryQuery): Promise<History>;
  /**
   * All changes below the store's prefix, until `signal` aborts or the store is closed. Never ends
   * otherwise: it reconnects and resumes where it was.
   */
  watch(signal: AbortSignal): AsyncIterable<WatchEvent>;
  close(): Promise<void>;
}
