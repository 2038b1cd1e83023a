import {
  type ConfigStore,
  type HistoryQuery,
  type StoredItem,
  StoreError,
} from '@polygate/config-store';
import { type Answer, refusal } from '../answer.ts';
import type { WritePreparer } from '../writes/prepare-write.ts';
import { describeChanges, describeDiff, toWritten } from './describe-changes.ts';
import { planRollback } from './plan-rollback.ts';
import { type Fault, planTransaction } from './plan-transaction.ts';
import { PlannedStore } from './planned-store.ts';
import { readTransaction, type RequestedTransaction } from './read-transaction.ts';

export interface TransactionsOptions {
  /** As the rest of the Admin API sees it. */
  readonly store: ConfigStore;
  /** The same, with values as they are stored. */
  readonly rawStore: ConfigStore;
  readonly preparer: WritePreparer;
  readonly hasStreamMode: boolean;
}

/** Each holds the whole configuration in memory while it is under way. */
const UNDER_WAY_MAX = 4;
const ATTEMPTS_MAX = 5;
const FAULTS_SHOWN_MAX = 100;

type Attempt = Answer | 'conflict';

/** Many changes at once, what was changed before, and the way back. */
export class Transactions {
  readonly #options: TransactionsOptions;
  #underWay = 0;

  constructor(options: TransactionsOptions) {
    this.#options = options;
  }

  /**
   * Applies `{"changes":[…]}` in one revision or not at all; `dryRun` only shows what would change.
   * What it was checked against may change meanwhile: then it is checked anew, some times.
   *
   * @param readBody so that not even the body is in memory while too many others are under way
   */
  transact(readBody: () => Promise<unknown>, dryRun: boolean): Promise<Answer> {
    return this.#bounded(async () => {
      const requested = readTransaction(await readBody());
      if (typeof requested === 'string') return refusal(400, requested);
      return this.#repeat(() => this.#tryTransaction(requested, dryRun));
    });
  }

  /** Makes all objects what they were at a revision, in a transaction. */
  rollback(revision: number, options: { dryRun: boolean; force: boolean }): Promise<Answer> {
    return this.#bounded(() => this.#repeat(() => this.#tryRollback(revision, options)));
  }

  history(query: HistoryQuery): Promise<Answer> {
    return this.#bounded(async () => {
      const { entries, nextBefore, oldest } = await this.#options.store.history(query);
      const list = entries.map(({ revision, total, changes }) => ({
        revision,
        total,
        changes: changes.map(({ key, kind }) => ({ key, action: kind })),
      }));
      const body = { list, next_before: nextBefore ?? null, oldest_revision: oldest };
      return { status: 200, body };
    });
  }

  async #tryTransaction(requested: RequestedTransaction, dryRun: boolean): Promise<Attempt> {
    const { store, preparer, hasStreamMode } = this.#options;
    // a change is put in order in place: the next attempt begins with what the client sent
    const changes = structuredClone(requested.changes);
    const { ifRevision } = requested;
    const former = ifRevision === undefined ? undefined : await store.listAt('/', ifRevision);
    const snapshot = await store.list('/');
    const planned = new PlannedStore(snapshot);
    const unchangedSince = former && byKey(former);
    const plan = { planned, preparer, hasStreamMode, unchangedSince };
    const faults = await planTransaction(changes, plan);
    if (faults.length > 0) return refuseFaults('transaction', faults, changes.length);
    if (dryRun) return showDiff(planned, snapshot.revision);
    return this.#commit(planned, () => store.transact(planned.operations(), planned.guards()));
  }

  async #tryRollback(
    revision: number,
    { dryRun, force }: { dryRun: boolean; force: boolean },
  ): Promise<Attempt> {
    const { store, rawStore, preparer } = this.#options;
    const then = await rawStore.listAt('/', revision);
    const clear = byKey(await store.listAt('/', revision));
    const shown = await store.list('/');
    const now = await rawStore.listAt('/', shown.revision);
    const planned = new PlannedStore(shown);
    const options = { planned, preparer, now, then, clear, force };
    const { operations, faults } = await planRollback(options);
    if (faults.length > 0) return refuseFaults('rollback', faults, operations.length);
    if (dryRun) return showDiff(planned, shown.revision);
    if (operations.length === 0) {
      return { status: 200, body: { revision: shown.revision, changes: [] } };
    }
    // nothing that the plan does not know may have come since
    await planned.list('/');
    return this.#commit(planned, () => rawStore.transact(operations, planned.guards()));
  }

  async #commit(
    planned: PlannedStore,
    transact: () => Promise<{ revision: number }>,
  ): Promise<Attempt> {
    const changes = planned.changes();
    try {
      const { revision } = await transact();
      const body = { revision, changes: describeChanges(changes) };
      return { status: 200, body, written: toWritten(changes, revision) };
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (error.code === 'CONFLICT') return 'conflict';
      if (error.code === 'TOO_MANY') return refusal(400, error.message);
      if (error.code !== 'TOO_LARGE') throw error;
      const advice = 'make it smaller, or raise --max-request-bytes where the store is etcd';
      return refusal(400, `${error.message}: ${advice}`);
    }
  }

  async #repeat(attempt: () => Promise<Attempt>): Promise<Answer> {
    for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts += 1) {
      const answer = await attempt();
      if (answer !== 'conflict') return answer;
    }
    return refusal(409, 'what this depends on keeps changing: nothing was done, try again');
  }

  async #bounded(work: () => Promise<Answer>): Promise<Answer> {
    if (this.#underWay >= UNDER_WAY_MAX) {
      const answer = refusal(503, `more than ${UNDER_WAY_MAX} of these at once: try again`);
      return { ...answer, headers: { 'Retry-After': '1' } };
    }
    this.#underWay += 1;
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (error.code === 'COMPACTED') return refusal(410, `no longer kept: ${error.message}`);
      if (error.code === 'FUTURE') return refusal(400, `not there yet: ${error.message}`);
      throw error;
    } finally {
      this.#underWay -= 1;
    }
  }
}

function byKey(items: readonly StoredItem[]): Map<string, StoredItem> {
  return new Map(items.map((item) => [item.key, item]));
}

function showDiff(planned: PlannedStore, revision: number): Answer {
  const changes = describeDiff(planned.changes());
  return { status: 200, body: { dry_run: true, base_revision: revision, changes } };
}

function refuseFaults(what: string, faults: readonly Fault[], total: number): Answer {
  const isConflict = faults.some(({ status }) => status === 409);
  const error_msg = `the ${what} is refused: ${faults.length} of ${total} changes cannot be made`;
  const errors = faults.slice(0, FAULTS_SHOWN_MAX);
  return { status: isConflict ? 409 : 400, body: { error_msg, errors } };
}
