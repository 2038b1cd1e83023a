import assert from 'node:assert';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Change, ConfigStore, StoredItem, WatchEvent } from './config-store.ts';

/** Test-only: reads a watch in the background and keeps what it said. */
export interface WatchRecorder {
  readonly events: readonly WatchEvent[];
  readonly changes: readonly Change[];
  readonly resyncs: readonly Extract<WatchEvent, { kind: 'resync' }>[];
  readonly statuses: readonly Extract<WatchEvent, { kind: 'status' }>[];
  /** What a reader that applied all events would hold, by key. */
  readonly items: ReadonlyMap<string, StoredItem>;
  /** Waits until `condition` holds; fails after 20 s, saying what was seen. */
  until(condition: () => boolean): Promise<void>;
  /** Aborts the watch and waits for its end. */
  stop(): Promise<void>;
}

const WAIT_MS_MAX = 20_000;

export function recordWatch(store: ConfigStore): WatchRecorder {
  const events: WatchEvent[] = [];
  const items = new Map<string, StoredItem>();
  const abort = new AbortController();
  let failure: unknown;
  const done = (async () => {
    for await (const event of store.watch(abort.signal)) {
      apply(event, items);
      events.push(event);
    }
  })().catch((error: unknown) => {
    failure = error ?? 'failed';
  });
  const ofKind = <K extends WatchEvent['kind']>(kind: K) =>
    events.filter((event): event is Extract<WatchEvent, { kind: K }> => event.kind === kind);
  return {
    events,
    items,
    get changes() {
      return ofKind('changes').flatMap(({ changes }) => changes);
    },
    get resyncs() {
      return ofKind('resync');
    },
    get statuses() {
      return ofKind('status');
    },
    until: (condition) =>
      waitFor(condition, () => {
        if (failure !== undefined) throw failure as Error;
        return `the watch said ${JSON.stringify(events.slice(-5))}`;
      }),
    async stop() {
      abort.abort();
      await done;
      assert.equal(failure, undefined);
    },
  };
}

/** Polls `condition` until it holds; fails after 20 s with what `explain` says. */
export async function waitFor(
  condition: () => boolean | Promise<boolean>,
  explain: () => string = () => '',
): Promise<void> {
  const deadline = Date.now() + WAIT_MS_MAX;
  while (!(await condition())) {
    const explanation = explain();
    assert(Date.now() < deadline, `not within ${WAIT_MS_MAX} ms: ${explanation}`);
    await sleep(10);
  }
}

function apply(event: WatchEvent, items: Map<string, StoredItem>): void {
  if (event.kind === 'resync') {
    items.clear();
    for (const item of event.items) items.set(item.key, item);
  }
  if (event.kind !== 'changes') return;
  for (const change of event.changes) {
    if (change.kind === 'put') items.set(change.item.key, change.item);
    else items.delete(change.key);
  }
}

export const silentLog = { info() {}, warn() {}, error() {} };
