import { setTimeout as pause } from 'node:timers/promises';
import type { Change, ConfigStore, StoredItem } from '@polygate/config-store';
import type { Logger } from '@polygate/plugin-sdk';
import { findDifferences, isSame } from './compare-items.ts';
import type { Difference } from './compare-items.ts';
import { KnownItems } from './known-items.ts';
import type { StoreEvent } from './known-items.ts';
import { LastGoodKeeper } from './last-good-keeper.ts';

export interface StoreGuardOptions {
  readonly store: Pick<ConfigStore, 'get' | 'list'>;
  readonly log: Logger;
  /** Between two comparisons with the store, give or take a quarter; 0: never. */
  readonly checkIntervalMs: number;
  /** Undefined: the configuration is not kept on disk. */
  readonly lastGood: { readonly file: string; readonly source: string } | undefined;
  /** The version that is served of an item whose newest one breaks a rule. */
  readonly lastGoodOf: (key: string) => StoredItem | undefined;
  /** Runs it alone: no event of the store is applied meanwhile. */
  readonly inTurn: (run: () => Promise<void>) => Promise<void>;
  /** Applies an event as if the store had told it; only in turn. */
  readonly apply: (event: StoreEvent) => Promise<void>;
  /** From a difference seen until it is looked at again. */
  readonly confirmMs?: number;
  readonly writeDelayMs?: number;
}

export interface GuardReport {
  /** Items that were put right since the start. */
  readonly repairs: number;
  /** Milliseconds since the epoch; undefined before the first one. */
  readonly lastCheckMs: number | undefined;
  /** The configuration is the last one kept on disk: the store has not been reached yet. */
  readonly isStale: boolean;
}

const CONFIRM_MS = 2000;
/** A store that neither answers nor refuses: then the configuration on disk is served. */
const STORE_WAIT_MS = 5000;
/** Above it everything is read anew. */
const REPAIRED_ONE_BY_ONE_MAX = 1000;
const KEYS_NAMED_MAX = 20;

/**
 * Watches over what the watch tells: compares it with the store now and then, so that an event that
 * got lost does not stay lost; and keeps it on disk, so that a data plane can start without its store.
 */
export class StoreGuard {
  readonly #options: StoreGuardOptions;
  readonly #known = new KnownItems();
  readonly #keeper: LastGoodKeeper | undefined;
  #fromDisk: StoreEvent | undefined;
  #hasBegun = false;
  #isStale = false;
  #repairs = 0;
  #lastCheckMs: number | undefined;
  #checking: Promise<void> = Promise.resolve();

  constructor(options: StoreGuardOptions) {
    this.#options = options;
    const { lastGood, lastGoodOf, log, writeDelayMs: delayMs } = options;
    if (lastGood === undefined) return;
    this.#keeper = new LastGoodKeeper({
      ...lastGood,
      known: this.#known,
      lastGoodOf,
      log,
      ...(delayMs !== undefined && { delayMs }),
    });
  }

  get report(): GuardReport {
    return { repairs: this.#repairs, lastCheckMs: this.#lastCheckMs, isStale: this.#isStale };
  }

  /** For people; undefined where what is served is the store's. */
  whyStale(): string | undefined {
    if (!this.#isStale) return undefined;
    return `the store is out of reach: revision ${this.#known.revision} was kept on disk`;
  }

  start(signal: AbortSignal): void {
    this.#checking = this.#checkUntil(signal);
    void wait(STORE_WAIT_MS, signal).then(() => {
      if (!signal.aborted) void this.startFromDisk('the store has not answered');
    });
  }

  /** Every event that is applied, whoever told it. */
  observe(event: StoreEvent): void {
    this.#hasBegun = true;
    this.#known.apply(event);
    if (event === this.#fromDisk) {
      this.#isStale = true;
      return;
    }
    if (this.#isStale && event.kind === 'resync') {
      this.#isStale = false;
      this.#fromDisk = undefined;
      this.#options.log.info('the store is back: its configuration takes over');
    }
    this.#keeper?.noteChange();
  }

  /** Serves the configuration kept on disk, unless the store told one first. Never rejects. */
  async startFromDisk(reason: string): Promise<void> {
    if (this.#keeper === undefined || this.#hasBegun) return;
    const { inTurn, log } = this.#options;
    await inTurn(async () => {
      if (this.#hasBegun) return;
      const event = await this.#keeper?.read();
      if (event === undefined || event.kind !== 'resync') return;
      this.#fromDisk = event;
      log.error(
        `${reason}: starting with the last good configuration on disk, ` +
          `${event.items.length} items of revision ${event.revision}`,
      );
      await this.#options.apply(event);
    }).catch((error: unknown) => log.error(`no start from disk: ${String(error)}`));
  }

  /** After the signal that `start` got. */
  async close(): Promise<void> {
    await this.#checking;
    await this.#keeper?.close();
  }

  async #checkUntil(signal: AbortSignal): Promise<void> {
    const { checkIntervalMs } = this.#options;
    if (checkIntervalMs === 0) return;
    while (!signal.aborted) {
      await wait(checkIntervalMs * (0.75 + Math.random() / 2), signal);
      if (!signal.aborted) await this.check(signal);
    }
  }

  /** Never rejects: a store that cannot be asked is asked again later. */
  async check(signal: AbortSignal): Promise<void> {
    const { store, log, confirmMs = CONFIRM_MS } = this.#options;
    if (!this.#hasBegun || this.#isStale) return;
    try {
      const { revision, items } = await store.list('/');
      const differences = await findDifferences(items, revision, this.#known);
      if (differences.length > 0) {
        // most are changes that the watch is about to tell
        await wait(confirmMs, signal);
        if (signal.aborted) return;
        await this.#options.inTurn(() => this.#repair(differences));
      }
      this.#lastCheckMs = Date.now();
    } catch (error) {
      if (signal.aborted) return;
      log.warn(`the configuration was not compared with the store: ${String(error)}`);
    }
  }

  async #repair(differences: readonly Difference[]): Promise<void> {
    const { store } = this.#options;
    // an item that changed since then is the watch's
    const left = differences.filter(({ key, known }) => this.#known.get(key) === known);
    if (left.length > REPAIRED_ONE_BY_ONE_MAX) {
      const { revision, items } = await store.list('/');
      this.#log(left.map(({ key }) => key));
      await this.#options.apply({ kind: 'resync', revision, items });
      return;
    }
    const changes: Change[] = [];
    let { revision } = this.#known;
    for (const { key, known } of left) {
      const stored = await store.get(key);
      if (isSame(stored, known)) continue;
      if (stored === undefined) changes.push({ kind: 'delete', key, revision });
      else changes.push({ kind: 'put', item: stored });
      revision = Math.max(revision, stored?.modifiedIndex ?? 0);
    }
    if (changes.length === 0) return;
    this.#log(changes.map((change) => (change.kind === 'put' ? change.item.key : change.key)));
    await this.#options.apply({ kind: 'changes', revision, changes });
  }

  #log(keys: readonly string[]): void {
    this.#repairs += keys.length;
    const named = keys.slice(0, KEYS_NAMED_MAX).join(', ');
    const more = keys.length > KEYS_NAMED_MAX ? ` and ${keys.length - KEYS_NAMED_MAX} more` : '';
    this.#options.log.warn(`differed from the store and were put right: ${named}${more}`);
  }
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
