import assert from 'node:assert';
import type {
  Change,
  ConfigStore,
  StoredItem,
  WatchEvent,
  WriteOptions,
  WriteResult,
} from '../config-store.ts';
import {
  type ChangeRow,
  EmbeddedDatabase,
  type ItemRow,
  textBytes,
  toEmbeddedError,
} from './embedded-database.ts';
import { StoreError } from '../errors.ts';
import { createPulse } from '../pulse.ts';
import {
  assertKey,
  assertPrefix,
  byCreatedIndex,
  encodeValue,
  idOfRevision,
  parseItem,
  withId,
} from '../stored-item.ts';
import type { StoreLog } from '../store-log.ts';

export interface EmbeddedStoreOptions {
  /** Path of the SQLite file, or `:memory:`. */
  readonly file: string;
  readonly log: StoreLog;
  /** Revisions a slow watcher may lag behind before it gets a resync. Default 10,000. */
  readonly historyRevisionsMax?: number;
  /** Bytes of values kept for slow watchers. Default 64 MiB. */
  readonly historyBytesMax?: number;
}

/** As much as etcd takes by default (`--max-request-bytes`). */
const VALUE_BYTES_MAX = 1.5 * 1024 * 1024;
const HISTORY_REVISIONS_MAX = 10_000;
const HISTORY_BYTES_MAX = 64 * 1024 * 1024;
const WATCH_ROWS_MAX = 1000;
/** setTimeout takes no more. */
const TIMER_MS_MAX = 2 ** 31 - 1;
const EXPIRY_RETRY_MS = 1000;

/**
 * Opens the store of a single node: one SQLite file, for this process alone. Revisions, conditional
 * writes, TTL and watches behave as etcd's. A write has reached the disk once its promise resolves.
 * Throws StoreError LOCKED if another process has the file open, UNAVAILABLE if it is unusable.
 */
export function openEmbeddedStore(options: EmbeddedStoreOptions): EmbeddedStore {
  return new EmbeddedStore(options);
}

interface Position {
  /** Of the last write. Begins at 1, as etcd's. */
  readonly revision: number;
  /** Changes up to this one are no longer kept. */
  readonly compacted: number;
}

export class EmbeddedStore implements ConfigStore {
  readonly writable = true;
  readonly #database: EmbeddedDatabase;
  readonly #log: StoreLog;
  readonly #historyRevisionsMax: number;
  readonly #historyBytesMax: number;
  readonly #pulse = createPulse();
  readonly #closing = new AbortController();
  #position: Position;
  #historyBytes: number;
  #nextExpiryMs = Infinity;
  #expiryTimer: NodeJS.Timeout | undefined;

  constructor(options: EmbeddedStoreOptions) {
    this.#log = options.log;
    this.#historyRevisionsMax = options.historyRevisionsMax ?? HISTORY_REVISIONS_MAX;
    this.#historyBytesMax = options.historyBytesMax ?? HISTORY_BYTES_MAX;
    this.#database = new EmbeddedDatabase(options.file);
    this.#position = this.#storedPosition();
    this.#historyBytes = this.#database.value('size') ?? 0;
    this.#scheduleExpiry();
  }

  get(key: string): Promise<StoredItem | undefined> {
    return this.#attempt(() => {
      assertKey(key);
      const row = this.#database.first<ItemRow>('get', key);
      return row && parseItem(row);
    });
  }

  list(prefix: string): Promise<{ revision: number; items: StoredItem[] }> {
    return this.#attempt(() => this.#read(prefix));
  }

  put(key: string, value: unknown, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#attempt(() => {
      assertKey(key);
      const text = encodeWithin(value);
      return this.#write(() => this.#putItem(key, text, options));
    });
  }

  push(
    dir: string,
    value: unknown,
    options: WriteOptions = {},
  ): Promise<WriteResult & { id: string }> {
    return this.#attempt(() =>
      this.#write(() => {
        // The revision that etcd spends on `gen_id`: ids look the same in both stores.
        this.#advance();
        const id = idOfRevision(this.#position.revision);
        const text = encodeWithin(withId(value, id));
        const key = `${dir}/${id}`;
        assertKey(key);
        return { ...this.#putItem(key, text, options), id };
      }),
    );
  }

  delete(key: string): Promise<number> {
    return this.#attempt(() => {
      assertKey(key);
      const row = this.#database.first<ItemRow>('get', key);
      return this.#deleteRows(row ? [row] : []);
    });
  }

  deletePrefix(prefix: string): Promise<number> {
    return this.#attempt(() => {
      const rows = this.#database.all<ItemRow>('below', ...boundsOf(prefix));
      return this.#deleteRows(rows);
    });
  }

  async *watch(signal: AbortSignal): AsyncGenerator<WatchEvent, void, void> {
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    let seen: number | undefined;
    while (!ended.aborted) {
      const { beats } = this.#pulse;
      if (seen === undefined || seen < this.#position.compacted) {
        const { revision, items } = this.#read('/');
        seen = revision;
        yield { kind: 'resync', revision, items };
        continue;
      }
      const until = this.#database.value('pageEnd', seen, WATCH_ROWS_MAX);
      if (until === undefined) {
        await this.#pulse.next(beats, ended);
        continue;
      }
      const rows = this.#database.all<ChangeRow>('since', seen, until);
      seen = until;
      yield { kind: 'changes', revision: until, changes: rows.map(toChange) };
    }
  }

  close(): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.resolve();
    this.#closing.abort();
    clearTimeout(this.#expiryTimer);
    this.#database.close();
    return Promise.resolve();
  }

  #attempt<T>(work: () => T): Promise<T> {
    return Promise.try(() => {
      if (this.#closing.signal.aborted) {
        throw new StoreError('UNAVAILABLE', 'embedded store: it is closed');
      }
      try {
        if (Date.now() >= this.#nextExpiryMs) this.#expire();
        return work();
      } catch (error) {
        throw toEmbeddedError(error);
      }
    });
  }

  #read(prefix: string): { revision: number; items: StoredItem[] } {
    const rows = this.#database.all<ItemRow>('below', ...boundsOf(prefix));
    const items = rows.map(parseItem).sort(byCreatedIndex);
    return { revision: this.#position.revision, items };
  }

  /** One transaction, then wakes the watchers. A failed one leaves no trace. */
  #write<T>(work: () => T): T {
    const before = { position: this.#position, historyBytes: this.#historyBytes };
    try {
      const result = this.#database.transaction(() => {
        const value = work();
        this.#trimHistory();
        this.#database.run('move', this.#position.revision, this.#position.compacted);
        return value;
      });
      this.#pulse.beat();
      return result;
    } catch (error) {
      this.#position = before.position;
      this.#historyBytes = before.historyBytes;
      throw error;
    } finally {
      this.#scheduleExpiry();
    }
  }

  #putItem(key: string, text: string, { ifModifiedIndex, ttlSeconds }: WriteOptions): WriteResult {
    const previous = this.#database.first<ItemRow>('get', key);
    if (ifModifiedIndex !== undefined && ifModifiedIndex !== (previous?.modifiedIndex ?? 0)) {
      throw new StoreError('CONFLICT', `${key} is not at revision ${ifModifiedIndex}`);
    }
    this.#advance();
    const modifiedIndex = this.#position.revision;
    const createdIndex = previous?.createdIndex ?? modifiedIndex;
    const expiresAtMs = ttlSeconds === undefined ? null : Date.now() + ttlSeconds * 1000;
    this.#database.run('put', key, text, createdIndex, modifiedIndex, expiresAtMs);
    this.#database.run('log', modifiedIndex, key, text, createdIndex);
    this.#historyBytes += textBytes(text);
    const item = parseItem({ key, text, createdIndex, modifiedIndex });
    return { item, created: previous === undefined };
  }

  /** All in one revision, as etcd does. */
  #deleteRows(rows: readonly ItemRow[]): number {
    if (rows.length === 0) return 0;
    return this.#write(() => {
      this.#advance();
      for (const { key, createdIndex } of rows) {
        this.#database.run('delete', key);
        this.#database.run('log', this.#position.revision, key, null, createdIndex);
      }
      return rows.length;
    });
  }

  #advance(): void {
    this.#position = { ...this.#position, revision: this.#position.revision + 1 };
  }

  #trimHistory(): void {
    const { revision, compacted } = this.#position;
    const upTo = revision - this.#historyRevisionsMax;
    if (upTo > compacted) this.#compact(upTo);
    while (this.#historyBytes > this.#historyBytesMax) {
      const oldest = this.#database.value('oldest');
      assert(oldest !== undefined, 'history has bytes but no changes');
      this.#compact(oldest);
    }
  }

  #compact(upTo: number): void {
    this.#historyBytes -= this.#database.value('sizeUpTo', upTo) ?? 0;
    this.#database.run('trim', upTo);
    this.#position = { ...this.#position, compacted: upTo };
  }

  /** Never throws: a full disk must not keep anybody from reading. Tries again later. */
  #expire(): void {
    try {
      this.#deleteRows(this.#database.all<ItemRow>('expired', Date.now()));
      this.#scheduleExpiry();
    } catch (error) {
      this.#log.error(`embedded store: could not delete expired items: ${String(error)}`);
      this.#armExpiry(Date.now() + EXPIRY_RETRY_MS);
    }
  }

  #scheduleExpiry(): void {
    this.#armExpiry(this.#database.value('nextExpiry') ?? Infinity);
  }

  #armExpiry(atMs: number): void {
    clearTimeout(this.#expiryTimer);
    this.#nextExpiryMs = atMs;
    if (atMs === Infinity) return;
    const delayMs = Math.min(Math.max(0, atMs - Date.now()), TIMER_MS_MAX);
    this.#expiryTimer = setTimeout(() => this.#expire(), delayMs).unref();
  }

  #storedPosition(): Position {
    const position = this.#database.first<Position>('position');
    assert(position, 'the schema puts one row into position');
    return position;
  }
}

function encodeWithin(value: unknown): string {
  const text = encodeValue(value);
  if (textBytes(text) > VALUE_BYTES_MAX) {
    const message = `embedded store: the value is larger than ${VALUE_BYTES_MAX} bytes`;
    throw new StoreError('TOO_LARGE', message);
  }
  return text;
}

/** Between `/routes/` and `/routes0`, both excluded: `0` follows `/`. */
function boundsOf(prefix: string): [string, string] {
  assertPrefix(prefix);
  return [prefix, `${prefix.slice(0, -1)}0`];
}

function toChange({ revision, key, text, createdIndex }: ChangeRow): Change {
  if (text === null) return { kind: 'delete', key, revision };
  const item = parseItem({ key, text, createdIndex, modifiedIndex: revision });
  return { kind: 'put', item };
}
