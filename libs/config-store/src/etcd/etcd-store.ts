import { Buffer } from 'node:buffer';
import type { IKeyValue, IRangeRequest, IRangeResponse } from 'etcd3';
import type {
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
import { StoreError } from '../errors.ts';
import { EtcdConnection, type EtcdConnectionOptions } from './etcd-connection.ts';
import { readEtcdHistory } from './etcd-history.ts';
import { isAnswerTooLarge, isCompacted, toStoreError } from './etcd-rpc.ts';
import { toTxnRequest } from './etcd-transaction.ts';
import { type EtcdSnapshot, watchEtcd } from './etcd-watch.ts';
import {
  assertKey,
  assertPrefix,
  byCreatedIndex,
  encodeValue,
  GEN_ID_KEY,
  idOfRevision,
  isBookkeeping,
  parseItem,
  withId,
} from '../stored-item.ts';
import type { StoreLog } from '../store-log.ts';

export interface EtcdStoreOptions extends EtcdConnectionOptions {
  /** In front of each key; APISIX's default is `/apisix`. */
  readonly prefix?: string;
  readonly log: StoreLog;
  /**
   * Wait before everything is read again after a compaction, with up to half more as jitter, so
   * that many data planes do not read at once. Default 0.
   */
  readonly resyncDelayMs?: number;
  /** First wait after a failed watch; doubles up to 32 s. Default 1000. */
  readonly retryDelayMs?: number;
}

interface ReadOptions {
  /** Default: the newest. */
  readonly at?: number;
  readonly signal?: AbortSignal;
}

const PAGE_ITEMS_MAX = 1000;
const READ_ATTEMPTS_MAX = 5;

/**
 * Opens a store in etcd v3, laid out as APISIX lays it out (apisix/core/etcd.lua): key
 * `<prefix>/<kind>/<id>`, value JSON. Does not connect yet: an etcd that is down shows in the first
 * call, or as `status` in a watch. Throws ConfigError for bad endpoints or TLS files.
 */
export function openEtcdStore(options: EtcdStoreOptions): EtcdStore {
  return new EtcdStore(options);
}

export class EtcdStore implements ConfigStore {
  readonly writable = true;
  readonly #options: EtcdStoreOptions;
  readonly #prefix: string;
  readonly #connection: EtcdConnection;
  readonly #closing = new AbortController();

  constructor(options: EtcdStoreOptions) {
    this.#options = options;
    this.#prefix = options.prefix ?? '/apisix';
    this.#connection = new EtcdConnection(options);
  }

  async serverVersion(): Promise<string> {
    const { version } = await this.#connection.call('Maintenance.Status', {});
    return version;
  }

  async get(key: string): Promise<StoredItem | undefined> {
    assertKey(key);
    const { kvs } = await this.#connection.call('KV.Range', { key: this.#bytes(key) });
    return kvs[0] && this.#toItem(kvs[0]);
  }

  async list(prefix: string): Promise<{ revision: number; items: StoredItem[] }> {
    const { revision, items } = await this.#readAll(prefix);
    return { revision, items };
  }

  async put(key: string, value: unknown, options: WriteOptions = {}): Promise<WriteResult> {
    assertKey(key);
    const text = encodeValue(value);
    const lease = await this.#grantLease(options.ttlSeconds);
    const bytes = this.#bytes(key);
    const expected = options.ifModifiedIndex;
    const { succeeded, header, responses } = await this.#connection.call('KV.Txn', {
      compare:
        expected === undefined
          ? []
          : [{ key: bytes, target: 'Mod', result: 'Equal', mod_revision: expected }],
      success: [
        // Read first: its create_revision is what remains when the item is replaced.
        { request_range: { key: bytes, keys_only: true } },
        { request_put: { key: bytes, value: Buffer.from(text), lease } },
      ],
    });
    if (!succeeded) {
      throw new StoreError('CONFLICT', `${key} is not at revision ${expected}`);
    }
    const previous = responses[0]?.response_range.kvs[0];
    const modifiedIndex = Number(header.revision);
    const createdIndex = previous ? Number(previous.create_revision) : modifiedIndex;
    const item = parseItem({ key, text, createdIndex, modifiedIndex });
    const previousIndex = Number(previous?.mod_revision ?? 0);
    return { item, created: previous === undefined, previousIndex };
  }

  async push(
    dir: string,
    value: unknown,
    options?: WriteOptions,
  ): Promise<WriteResult & { id: string }> {
    const key = this.#bytes(GEN_ID_KEY);
    const { header } = await this.#connection.call('KV.Txn', {
      success: [{ request_put: { key, value: Buffer.from('1') } }],
    });
    const id = idOfRevision(Number(header.revision));
    const result = await this.put(`${dir}/${id}`, withId(value, id), options);
    return { ...result, id };
  }

  delete(key: string): Promise<DeleteResult> {
    assertKey(key);
    return this.#delete({ start: this.#bytes(key) });
  }

  deletePrefix(prefix: string): Promise<DeleteResult> {
    return this.#delete(this.#range(prefix));
  }

  async transact(
    operations: readonly Operation[],
    guards: Guards = {},
  ): Promise<{ revision: number }> {
    const request = toTxnRequest(operations, guards, {
      bytes: (key) => this.#bytes(key),
      range: (prefix) => this.#range(prefix),
    });
    const { succeeded, header } = await this.#connection.call('KV.Txn', request);
    if (!succeeded) throw new StoreError('CONFLICT', 'what the transaction depends on has changed');
    return { revision: Number(header.revision) };
  }

  async listAt(prefix: string, revision: number): Promise<StoredItem[]> {
    return (await this.#readAll(prefix, { at: revision })).items;
  }

  history(query: HistoryQuery): Promise<History> {
    const range = query.key === undefined ? this.#range('/') : { start: this.#bytes(query.key) };
    const { timeoutMs } = this.#options;
    return readEtcdHistory(
      { connection: this.#connection, range, keyOf: (kv) => this.#keyOf(kv), timeoutMs },
      query,
    );
  }

  watch(signal: AbortSignal): AsyncIterable<WatchEvent> {
    const { log, timeoutMs, retryDelayMs = 1000, resyncDelayMs = 0 } = this.#options;
    return watchEtcd(
      {
        connection: this.#connection,
        range: this.#range('/'),
        readAll: (watchSignal) => this.#readAll('/', { signal: watchSignal }),
        toItem: (kv) => this.#toItem(kv),
        log,
        timeoutMs,
        retryDelayMs,
        resyncDelayMs,
      },
      AbortSignal.any([signal, this.#closing.signal]),
    );
  }

  close(): Promise<void> {
    this.#closing.abort();
    this.#connection.close();
    return Promise.resolve();
  }

  async #grantLease(ttlSeconds: number | undefined): Promise<string> {
    if (ttlSeconds === undefined) return '0';
    const lease = await this.#connection.call('Lease.LeaseGrant', { TTL: Math.ceil(ttlSeconds) });
    return lease.ID;
  }

  async #delete({ start, end }: { start: Buffer; end?: Buffer }): Promise<DeleteResult> {
    // what was below a prefix may be more than one answer holds
    const which = end === undefined ? { prev_kv: true } : { range_end: end };
    const request = { key: start, ...which };
    const { deleted, header, prev_kvs } = await this.#connection.call('KV.DeleteRange', request);
    const previousIndex = Number(prev_kvs[0]?.mod_revision ?? 0);
    return { deleted: Number(deleted), revision: Number(header.revision), previousIndex };
  }

  /**
   * All pages at one revision: `at`, or that of the first page; then it begins anew where that is
   * compacted meanwhile.
   */
  async #readAll(prefix: string, options: ReadOptions = {}): Promise<EtcdSnapshot> {
    let pageItems = PAGE_ITEMS_MAX;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#readPages(prefix, pageItems, options);
      } catch (error) {
        const { cause } = error as Error;
        const tooLarge = isAnswerTooLarge(cause) && pageItems > 1;
        if (tooLarge) pageItems = Math.ceil(pageItems / 10);
        const mayRepeat = tooLarge || (isCompacted(cause) && options.at === undefined);
        if (!mayRepeat || attempt === READ_ATTEMPTS_MAX) throw toStoreError(error, 'KV.Range');
      }
    }
  }

  async #readPages(
    prefix: string,
    limit: number,
    { at, signal }: ReadOptions,
  ): Promise<EtcdSnapshot> {
    const range = this.#range(prefix);
    const items: StoredItem[] = [];
    let key = range.start;
    let head: IRangeResponse['header'] | undefined;
    for (;;) {
      const request: IRangeRequest = { key, range_end: range.end, limit };
      const revision = at ?? head?.revision;
      if (revision !== undefined) request.revision = revision;
      const page = await this.#connection.call('KV.Range', request, signal);
      head ??= page.header;
      for (const kv of page.kvs) {
        const item = this.#toItem(kv);
        if (!isBookkeeping(item.key)) items.push(item);
      }
      const last = page.kvs.at(-1);
      if (!page.more || !last) break;
      key = Buffer.concat([last.key, Buffer.of(0)]);
    }
    items.sort(byCreatedIndex);
    return { revision: Number(head.revision), clusterId: head.cluster_id, items };
  }

  /**
   * Everything below a prefix, but not the key that is the prefix itself: APISIX refuses to start
   * its sync without the `init_dir` it keeps there.
   */
  #range(prefix: string): { start: Buffer; end: Buffer } {
    assertPrefix(prefix);
    const start = Buffer.concat([this.#bytes(prefix), Buffer.of(0)]);
    const end = this.#bytes(`${prefix.slice(0, -1)}0`);
    return { start, end };
  }

  #bytes(key: string): Buffer {
    return Buffer.from(this.#prefix + key);
  }

  #keyOf(kv: IKeyValue): string {
    return kv.key.toString().slice(this.#prefix.length);
  }

  #toItem(kv: IKeyValue): StoredItem {
    return parseItem({
      key: this.#keyOf(kv),
      text: kv.value.toString(),
      createdIndex: Number(kv.create_revision),
      modifiedIndex: Number(kv.mod_revision),
    });
  }
}
