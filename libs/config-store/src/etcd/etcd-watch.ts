import type { Buffer } from 'node:buffer';
import type { IEvent, IKeyValue, IWatchResponse } from 'etcd3';
import { createBackOff, pause } from './back-off.ts';
import type { Change, StoredItem, WatchEvent } from '../config-store.ts';
import { StoreError } from '../errors.ts';
import type { EtcdConnection } from './etcd-connection.ts';
import { toStoreError, type WatchStream } from './etcd-rpc.ts';
import { isBookkeeping } from '../stored-item.ts';
import type { StoreLog } from '../store-log.ts';

/** Everything below the prefix, all of one revision. */
export interface EtcdSnapshot {
  readonly revision: number;
  readonly clusterId: string;
  readonly items: StoredItem[];
}

export interface EtcdWatchOptions {
  readonly connection: EtcdConnection;
  /** The keys to watch: from `start` up to, not including, `end`. */
  readonly range: { readonly start: Buffer; readonly end: Buffer };
  readonly readAll: (signal: AbortSignal) => Promise<EtcdSnapshot>;
  readonly toItem: (kv: IKeyValue) => StoredItem;
  readonly log: StoreLog;
  /** Limit for etcd to confirm a watch. */
  readonly timeoutMs: number;
  readonly retryDelayMs: number;
  readonly resyncDelayMs: number;
}

const RETRY_DELAY_MS_MAX = 32_000;

/** Up to where all is known, and of which cluster. */
interface Position {
  revision: number;
  readonly clusterId: string;
}

type Opened = { readonly kind: 'opened' };

/**
 * The watch of EtcdStore, on the raw Watch RPC. A stream that breaks is opened again one revision
 * after the last one seen, so nothing is lost; where etcd has compacted that revision, everything
 * is read anew. Uses only the progress notifications etcd sends by itself: those asked for may
 * overtake events in etcd before 3.4.25 and 3.5.8 (etcd issue 15220).
 */
export async function* watchEtcd(
  options: EtcdWatchOptions,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent, void, void> {
  const { connection, log, retryDelayMs } = options;
  const backOff = createBackOff({
    baseMs: retryDelayMs,
    delayMsMax: RETRY_DELAY_MS_MAX,
    quickAttempts: connection.endpointCount,
  });
  let position: Position | undefined;
  let connected = true;
  while (!signal.aborted) {
    let openedAtMs = Infinity;
    try {
      if (position === undefined) {
        const { items, ...read } = await options.readAll(signal);
        position = read;
        if (!connected) yield { kind: 'status', connected: (connected = true) };
        yield { kind: 'resync', revision: read.revision, items };
      }
      for await (const event of followStream(options, position, signal)) {
        if (event.kind === 'opened') {
          openedAtMs = Date.now();
          if (!connected) yield { kind: 'status', connected: (connected = true) };
          continue;
        }
        backOff.reset();
        yield event;
      }
      if (signal.aborted) return;
      position = undefined;
      // The back-off as well: a store that never confirms a watch must not be read in a tight loop.
      const spreadMs = options.resyncDelayMs * (1 + Math.random() / 2) + backOff.next();
      log.warn(
        `etcd: changes we need are gone; reading everything again in ${spreadMs.toFixed()} ms`,
      );
      await pause(spreadMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      const { message: reason } = toStoreError(error, 'Watch');
      log.warn(reason);
      if (connected) yield { kind: 'status', connected: (connected = false), reason };
      if (Date.now() - openedAtMs > retryDelayMs) backOff.reset();
      await pause(backOff.next(), signal);
    }
  }
}

/**
 * One watch stream, from `position` on, which it moves forward. Ends when a resync is needed;
 * throws when the stream broke.
 */
async function* followStream(
  options: EtcdWatchOptions,
  position: Position,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent | Opened, void, void> {
  const { stream, failed } = await options.connection.openWatch();
  // The loop below sees the error too; without a listener a late one would end the process.
  stream.on('error', () => undefined);
  const cancel = () => stream.cancel();
  signal.addEventListener('abort', cancel);
  if (signal.aborted) cancel();
  const unconfirmed = setTimeout(cancel, options.timeoutMs);
  let opened = false;
  try {
    requestWatch(stream, options.range, position.revision + 1);
    for await (const answer of joinFragments(stream as AsyncIterable<IWatchResponse>)) {
      if (answer.canceled) {
        if (isCompaction(answer)) return;
        throw new StoreError('UNAVAILABLE', `etcd: watch refused: ${answer.cancel_reason}`);
      }
      if (answer.created) {
        clearTimeout(unconfirmed);
        if (isOtherHistory(answer, position)) return;
        opened = true;
        yield { kind: 'opened' };
        continue;
      }
      yield* advance(answer, position, options.toItem);
    }
    throw new StoreError('UNAVAILABLE', 'etcd: the watch ended');
  } catch (error) {
    if (signal.aborted) return;
    failed(error);
    if (!opened && toStoreError(error, 'Watch').message.includes('Cancelled')) {
      const message = `etcd: watch not confirmed within ${options.timeoutMs} ms`;
      throw new StoreError('UNAVAILABLE', message, { cause: error });
    }
    throw error;
  } finally {
    clearTimeout(unconfirmed);
    signal.removeEventListener('abort', cancel);
    stream.cancel();
  }
}

function requestWatch(stream: WatchStream, range: EtcdWatchOptions['range'], from: number): void {
  const create = {
    key: range.start,
    range_end: range.end,
    start_revision: from,
    // Keeps an idle prefix ahead of compaction.
    progress_notify: true,
    // Without it a revision of many large items would exceed what one message may hold.
    fragment: true,
  };
  stream.write({ create_request: create });
}

/** Puts together what etcd split, so that a revision is never seen in part. */
async function* joinFragments(
  stream: AsyncIterable<IWatchResponse>,
): AsyncGenerator<IWatchResponse, void, void> {
  let events: IEvent[] = [];
  for await (const answer of stream) {
    if (answer.fragment) {
      events.push(...answer.events);
      continue;
    }
    if (events.length === 0) {
      yield answer;
      continue;
    }
    yield { ...answer, events: [...events, ...answer.events] };
    events = [];
  }
}

function* advance(
  answer: IWatchResponse,
  position: Position,
  toItem: (kv: IKeyValue) => StoredItem,
): Generator<WatchEvent, void, void> {
  if (answer.events.length === 0) {
    // Progress: nothing of ours happened up to this revision.
    position.revision = Math.max(position.revision, Number(answer.header.revision));
    return;
  }
  const changes: Change[] = [];
  const seen = position.revision;
  for (const { type, kv } of answer.events) {
    const revision = Number(kv.mod_revision);
    if (revision <= seen) continue;
    position.revision = Math.max(position.revision, revision);
    const item = toItem(kv);
    if (isBookkeeping(item.key)) continue;
    if (type === 'Put') changes.push({ kind: 'put', item });
    else changes.push({ kind: 'delete', key: item.key, revision });
  }
  if (changes.length > 0) yield { kind: 'changes', revision: position.revision, changes };
}

function isCompaction(answer: IWatchResponse): boolean {
  return Number(answer.compact_revision) > 0;
}

/**
 * A store that is behind what we have seen was restored from a backup (or the endpoint lags: then
 * the resync costs, but does no harm). Another cluster id means another history.
 */
function isOtherHistory({ header }: IWatchResponse, position: Position): boolean {
  return header.cluster_id !== position.clusterId || Number(header.revision) < position.revision;
}
