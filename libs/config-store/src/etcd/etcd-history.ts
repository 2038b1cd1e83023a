import type { Buffer } from 'node:buffer';
import type { IKeyValue, IRangeRequest, IWatchResponse } from 'etcd3';
import {
  CHANGES_SHOWN_MAX,
  type History,
  type HistoryQuery,
  type RevisionChange,
  type RevisionEntry,
} from '../config-store.ts';
import { StoreError } from '../errors.ts';
import { isBookkeeping } from '../stored-item.ts';
import type { EtcdConnection } from './etcd-connection.ts';
import type { WatchStream } from './etcd-rpc.ts';

export interface EtcdHistoryOptions {
  readonly connection: EtcdConnection;
  /** What is asked about: one key (without `end`), or all from `start` up to, not including, `end`. */
  readonly range: { readonly start: Buffer; readonly end?: Buffer };
  readonly keyOf: (kv: IKeyValue) => string;
  /** Limit for each of the few parts that are read. */
  readonly timeoutMs: number;
}

/** etcd reads all revisions behind the one asked for, of every client it has: so not too many. */
const LOOK_BACK_REVISIONS_MAX = 10_000;
const WINDOW_REVISIONS = 1000;
/**
 * etcd serves a watch in the past in rounds of 100 ms. Before 3.4.25 and 3.5.8 the progress asked
 * for may overtake such a watch (etcd issue 15220), so it is asked for some rounds later.
 */
const PROGRESS_INTERVAL_MS = 300;

/** A part of the history: revisions from `from` up to, not including, `to`. */
interface Window {
  readonly from: number;
  readonly to: number;
  /** The newest put that still stands: it has to be seen when it lies in the window. */
  readonly standing: number;
}

type Collected =
  | { readonly kind: 'entries'; readonly entries: RevisionEntry[] }
  | { readonly kind: 'compacted'; readonly at: number };

/**
 * What changed in the last LOOK_BACK_REVISIONS_MAX revisions of the cluster, newest first, as far as
 * they are not compacted. etcd has no list of its revisions: they are read by watches in the past.
 */
export async function readEtcdHistory(
  options: EtcdHistoryOptions,
  { before, limit, signal }: HistoryQuery,
): Promise<History> {
  const { revision, standing } = await readNewest(options);
  let oldest = Math.max(1, revision - LOOK_BACK_REVISIONS_MAX);
  let to = Math.min(before ?? revision + 1, revision + 1);
  const found: RevisionEntry[] = [];
  while (to > oldest + 1 && found.length <= limit) {
    const from = Math.max(oldest + 1, to - WINDOW_REVISIONS);
    const collected = await collect(options, { from, to, standing }, signal);
    if (collected.kind === 'compacted') {
      // seen at the first window that reaches so far: what is newer is still there
      oldest = Math.max(oldest, collected.at);
      continue;
    }
    found.push(...collected.entries.toReversed());
    to = from;
  }
  const entries = found.slice(0, limit);
  const nextBefore = found.length > limit ? entries.at(-1)?.revision : undefined;
  return { entries, nextBefore, oldest };
}

async function readNewest({ connection, range }: EtcdHistoryOptions) {
  const request: IRangeRequest = {
    key: range.start,
    ...(range.end && { range_end: range.end }),
    keys_only: true,
    limit: 1,
    sort_order: 'Descend',
    sort_target: 'Mod',
  };
  const { header, kvs } = await connection.call('KV.Range', request);
  return { revision: Number(header.revision), standing: Number(kvs[0]?.mod_revision ?? 0) };
}

async function collect(
  options: EtcdHistoryOptions,
  window: Window,
  signal: AbortSignal | undefined,
): Promise<Collected> {
  const { connection, range, timeoutMs } = options;
  const { stream, failed } = await connection.openWatch();
  // the loop sees the error too; without a listener a late one would end the process
  stream.on('error', () => undefined);
  const cancel = () => stream.cancel();
  signal?.addEventListener('abort', cancel);
  const late = setTimeout(cancel, timeoutMs);
  const progress = setInterval(() => stream.write({ progress_request: {} }), PROGRESS_INTERVAL_MS);
  try {
    const { start: key, end } = range;
    stream.write({
      create_request: {
        key,
        ...(end && { range_end: end }),
        start_revision: window.from,
        fragment: true,
      },
    });
    return await readWindow(stream, window, options);
  } catch (error) {
    failed(error);
    if (error instanceof StoreError) throw error;
    const message = `etcd: its history was not read within ${timeoutMs} ms`;
    throw new StoreError('UNAVAILABLE', message, { cause: error });
  } finally {
    clearTimeout(late);
    clearInterval(progress);
    signal?.removeEventListener('abort', cancel);
    stream.cancel();
  }
}

async function readWindow(
  stream: WatchStream,
  { from, to, standing }: Window,
  { keyOf }: EtcdHistoryOptions,
): Promise<Collected> {
  const entries = new Map<number, { changes: RevisionChange[]; total: number }>();
  const mustSee = standing >= from && standing < to ? standing : 0;
  let seen = 0;
  for await (const answer of stream as AsyncIterable<IWatchResponse>) {
    if (answer.canceled) {
      const at = Number(answer.compact_revision);
      if (at > 0) return { kind: 'compacted', at };
      throw new StoreError('UNAVAILABLE', `etcd: watch refused: ${answer.cancel_reason}`);
    }
    for (const { type, kv } of answer.events) {
      seen = Number(kv.mod_revision);
      if (seen >= to) break;
      note(entries, seen, { key: keyOf(kv), kind: type === 'Put' ? 'put' : 'delete' });
    }
    const isProgress = !answer.created && answer.events.length === 0;
    const isThere = isProgress && Number(answer.header.revision) >= to - 1 && seen >= mustSee;
    if (seen >= to || isThere) {
      const found = [...entries].map(([revision, entry]) => ({ revision, ...entry }));
      return { kind: 'entries', entries: found };
    }
  }
  throw new StoreError('UNAVAILABLE', 'etcd: the watch ended');
}

function note(
  entries: Map<number, { changes: RevisionChange[]; total: number }>,
  revision: number,
  change: RevisionChange,
): void {
  if (isBookkeeping(change.key)) return;
  const entry = entries.get(revision) ?? { changes: [], total: 0 };
  entries.set(revision, entry);
  entry.total += 1;
  if (entry.changes.length < CHANGES_SHOWN_MAX) entry.changes.push(change);
}
