import assert from 'node:assert';
import type {
  Change,
  ConfigStore,
  DeleteResult,
  Guards,
  History,
  HistoryQuery,
  Operation,
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
import { EmbeddedHistory, type Position } from './embedded-history.ts';
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
  /**
   * Revisions that are kept: to be read and gone back to, and for slow watchers, which get a resync
   * beyond them. Default 10,000.
   */
  readonly historyRevisionsMax?: number;
  /** Bytes of values kept in that history. Default 64 MiB. */
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

export class EmbeddedStore implements ConfigStore {
  readonly writable = true;
  readonly #database: EmbeddedDatabase;
  readonly #log: StoreLog;
  readonly #history: EmbeddedHistory;
  readonly #pulse = createPulse();
  readonly #closing = new AbortController();
  #position: Position;
  #nextExpiryMs = Infinity;
  #expiryTimer: NodeJS.Timeout | undefined;

  constructor(options: EmbeddedStoreOptions) {
    this.#log = options.log;
    this.#database = new EmbeddedDatabase(options.file);
    this.#position = this.#storedPosition();
    this.#history = new EmbeddedHistory(this.#database, {
      revisionsMax: options.historyRevisionsMax ?? HISTORY_REVISIONS_MAX,
      bytesMax: options.historyBytesMax ?? HISTORY_BYTES_MAX,
    });
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

  delete(key: string): Promise<DeleteResult> {
    return this.#attempt(() => {
      assertKey(key);
      const row = this.#database.first<ItemRow>('get', key);
      return { ...this.#deleteRows(row ? [row] : []), previousIndex: row?.modifiedIndex ?? 0 };
    });
  }

  deletePrefix(prefix: string): Promise<DeleteResult> {
    return this.#attempt(() => {
      const rows = this.#database.all<ItemRow>('below', ...boundsOf(prefix));
      return { ...this.#deleteRows(rows), previousIndex: 0 };
    });
  }

  transact(operations: readonly Operation[], guards: Guards = {}): Promise<{ revision: number }> {
    return this.#attempt(() => {
      const steps = operations.map(prepare);
      return this.#write(() => {
        this.#check(guards);
        const before = this.#position.revision;
        for (const step of steps) this.#doStep(step, before + 1);
        return { revision: this.#position.revision };
      });
    });
  }

  listAt(prefix: string, revision: number): Promise<StoredItem[]> {
    return this.#attempt(() => {
      const rows = this.#history.rowsAt(boundsOf(prefix), revision, this.#position);
      return rows.map(parseItem).sort(byCreatedIndex);
    });
  }

  history(query: HistoryQuery): Promise<History> {
    return this.#attempt(() => this.#history.list(query, this.#position));
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
    const before = { position: this.#position, historyBytes: this.#history.bytes };
    try {
      const result = this.#database.transaction(() => {
        const value = work();
        this.#position = this.#history.trim(this.#position);
        this.#database.run('move', this.#position.revision, this.#position.compacted);
        return value;
      });
      this.#pulse.beat();
      return result;
    } catch (error) {
      this.#position = before.position;
      this.#history.bytes = before.historyBytes;
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
    const expiresAtMs = ttlSeconds === undefined ? null : Date.now() + ttlSeconds * 1000;
    const row = this.#store({ key, text, previous, expiresAtMs });
    const previousIndex = previous?.modifiedIndex ?? 0;
    return { item: parseItem(row), created: previous === undefined, previousIndex };
  }

  /** At the present revision. */
  #store({ key, text, previous, expiresAtMs }: Stored): ItemRow {
    const modifiedIndex = this.#position.revision;
    const createdIndex = previous?.createdIndex ?? modifiedIndex;
    this.#database.run('put', key, text, createdIndex, modifiedIndex, expiresAtMs);
    this.#history.log(modifiedIndex, { key, text, createdIndex, previous });
    return { key, text, createdIndex, modifiedIndex };
  }

  /** All in one revision, as etcd does. */
  #deleteRows(rows: readonly ItemRow[]): { deleted: number; revision: number } {
    if (rows.length === 0) return { deleted: 0, revision: this.#position.revision };
    return this.#write(() => {
      this.#advance();
      for (const row of rows) this.#remove(row);
      return { deleted: rows.length, revision: this.#position.revision };
    });
  }

  #remove(previous: ItemRow): void {
    const { key, createdIndex } = previous;
    this.#database.run('delete', key);
    this.#history.log(this.#position.revision, { key, text: null, createdIndex, previous });
  }

  /** One of the operations of a transaction: what changes nothing takes no revision. */
  #doStep(step: Step, revision: number): void {
    const begin = () => {
      this.#position = { ...this.#position, revision };
    };
    if (step.kind === 'put') {
      const previous = this.#database.first<ItemRow>('get', step.key);
      begin();
      this.#store({ key: step.key, text: step.text, previous, expiresAtMs: null });
      return;
    }
    const rows =
      step.kind === 'delete'
        ? this.#database.all<ItemRow>('get', step.key)
        : this.#database.all<ItemRow>('below', ...step.bounds);
    if (rows.length > 0) begin();
    for (const row of rows) this.#remove(row);
  }

  #check({ items, unwritten }: Guards): void {
    const conflict = (what: string) =>
      new StoreError('CONFLICT', `${what}: what the transaction depends on has changed`);
    for (const [key, expected] of items ?? []) {
      const row = this.#database.first<ItemRow>('get', key);
      if ((row?.modifiedIndex ?? 0) !== expected) throw conflict(key);
    }
    for (const prefix of unwritten?.prefixes ?? []) {
      const since = unwritten?.since ?? 0;
      const found = this.#database.value('writtenAfter', ...boundsOf(prefix), since);
      if (found !== undefined) throw conflict(prefix);
    }
  }

  #advance(): void {
    this.#position = { ...this.#position, revision: this.#position.revision + 1 };
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

interface Stored {
  readonly key: string;
  readonly text: string;
  readonly previous: ItemRow | undefined;
  /** Milliseconds since the epoch; null: never. */
  readonly expiresAtMs: number | null;
}

/** An operation with all that can fail done. */
type Step =
  | { readonly kind: 'put'; readonly key: string; readonly text: string }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'deleteBelow'; readonly bounds: [string, string] };

function prepare(operation: Operation): Step {
  if (operation.kind === 'deleteBelow') {
    return { kind: 'deleteBelow', bounds: boundsOf(operation.prefix) };
  }
  const { kind, key } = operation;
  assertKey(key);
  return kind === 'put' ? { kind, key, text: encodeWithin(operation.value) } : { kind, key };
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
