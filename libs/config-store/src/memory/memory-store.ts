import type {
  Change,
  ConfigStore,
  DeleteResult,
  History,
  StoredItem,
  WatchEvent,
  WriteResult,
} from '../config-store.ts';
import { StoreError } from '../errors.ts';
import type { StandaloneItem } from '../file/standalone-document.ts';
import { createPulse } from '../pulse.ts';
import { assertKey, assertPrefix } from '../stored-item.ts';

export interface MemoryStoreOptions {
  /** For the refusal of a write: what to do instead. */
  readonly howToWrite: string;
  /** Default: a configuration without items is there from the start. */
  readonly isEmptyAtFirst?: false;
}

export interface ReplaceOptions {
  /** The revision to be, where it is greater than the last one plus one. Default: the clock. */
  readonly revision?: number;
  /**
   * An item whose `modifiedIndex` is written and the same as before stays as it was, whatever else
   * of it changed: apisix/core/config_yaml.lua, sync_data. Default false.
   */
  readonly trustsModifiedIndex?: boolean;
}

/** Of the configuration without items that is there before the first one is given. */
export const EMPTY_REVISION = 1;

/** An item with the text it is compared by. */
interface MemoryItem {
  readonly item: StoredItem;
  readonly text: string;
}

interface Snapshot {
  readonly revision: number;
  readonly items: ReadonlyMap<string, MemoryItem>;
}

/**
 * A configuration that is only read, and replaced as a whole by whoever holds the store: standalone
 * mode. A slow reader of a watch gets the sum of the changes it missed, not each.
 */
export class MemoryStore implements ConfigStore {
  readonly writable = false;
  readonly #options: MemoryStoreOptions;
  readonly #pulse = createPulse();
  readonly #closing = new AbortController();
  #snapshot: Snapshot | undefined;
  #problem: string | undefined;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    if (options.isEmptyAtFirst !== false)
      this.#snapshot = { revision: EMPTY_REVISION, items: new Map() };
  }

  /** Of the configuration that is here; 0 while there is none. */
  get revision(): number {
    return this.#snapshot?.revision ?? 0;
  }

  /** Why what is here is not what it should be; undefined when all is well. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Takes these items for the whole configuration; what did not change keeps its revisions. Clears
   * the problem. Answers whether anything is different from before.
   */
  replace(items: readonly StandaloneItem[], options: ReplaceOptions = {}): boolean {
    const before = this.#snapshot;
    const next = nextSnapshot(before, items, options);
    if (before === next && this.#problem === undefined) return false;
    this.#snapshot = next;
    this.#problem = undefined;
    this.#pulse.beat();
    return true;
  }

  /** Watches are told so; what was there stays. */
  reportProblem(problem: string): void {
    this.#problem = problem;
    this.#pulse.beat();
  }

  get(key: string): Promise<StoredItem | undefined> {
    return Promise.try(() => {
      assertKey(key);
      return this.#current().items.get(key)?.item;
    });
  }

  list(prefix: string): Promise<{ revision: number; items: StoredItem[] }> {
    return Promise.try(() => {
      assertPrefix(prefix);
      const { revision, items } = this.#current();
      return { revision, items: itemsBelow(items, prefix) };
    });
  }

  put(): Promise<WriteResult> {
    return Promise.reject(this.#readOnly());
  }

  push(): Promise<WriteResult & { id: string }> {
    return Promise.reject(this.#readOnly());
  }

  delete(): Promise<DeleteResult> {
    return Promise.reject(this.#readOnly());
  }

  deletePrefix(): Promise<DeleteResult> {
    return Promise.reject(this.#readOnly());
  }

  transact(): Promise<{ revision: number }> {
    return Promise.reject(this.#readOnly());
  }

  /** Keeps no history: only what is there now can be read. */
  listAt(prefix: string, revision: number): Promise<StoredItem[]> {
    return Promise.try(() => {
      assertPrefix(prefix);
      const current = this.#current();
      if (revision === current.revision) return itemsBelow(current.items, prefix);
      const code = revision < current.revision ? 'COMPACTED' : 'FUTURE';
      throw new StoreError(code, `this store is at revision ${current.revision} only`);
    });
  }

  history(): Promise<History> {
    return Promise.try(() => {
      const { revision: oldest } = this.#current();
      return { entries: [], nextBefore: undefined, oldest };
    });
  }

  async *watch(signal: AbortSignal): AsyncGenerator<WatchEvent, void, void> {
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    let known: Snapshot | undefined;
    let saidProblem: string | undefined;
    while (!ended.aborted) {
      const { beats } = this.#pulse;
      const current = this.#snapshot;
      if (saidProblem !== this.#problem) {
        saidProblem = this.#problem;
        yield toStatus(saidProblem);
      } else if (current && current !== known) {
        const before = known;
        known = current;
        yield before ? toChanges(before, current) : toResync(current);
      } else {
        await this.#pulse.next(beats, ended);
      }
    }
  }

  close(): Promise<void> {
    this.#closing.abort();
    return Promise.resolve();
  }

  #current(): Snapshot {
    if (this.#snapshot) return this.#snapshot;
    throw new StoreError('UNAVAILABLE', this.#problem ?? 'nothing was read yet');
  }

  #readOnly(): StoreError {
    return new StoreError('READ_ONLY', `the store is only read: ${this.#options.howToWrite}`);
  }
}

/**
 * Gives the items their revisions: an unchanged item keeps its own, so that what was built from it
 * can be kept as well. Returns `before` itself where nothing changed.
 */
function nextSnapshot(
  before: Snapshot | undefined,
  items: readonly StandaloneItem[],
  { revision: wanted = Date.now(), trustsModifiedIndex = false }: ReplaceOptions,
): Snapshot {
  const revision = Math.max(wanted, (before?.revision ?? 0) + 1);
  const next = new Map<string, MemoryItem>();
  let changed = before === undefined || before.items.size !== items.length;
  for (const { key, value, modifiedIndex } of items) {
    const text = JSON.stringify(value);
    const previous = before?.items.get(key);
    const isOther = modifiedIndex !== undefined && modifiedIndex !== previous?.item.modifiedIndex;
    const isKept = previous?.text === text || (trustsModifiedIndex && modifiedIndex !== undefined);
    if (previous !== undefined && !isOther && isKept) {
      next.set(key, previous);
      continue;
    }
    changed = true;
    const createdIndex = previous?.item.createdIndex ?? revision;
    const item = { key, value, createdIndex, modifiedIndex: modifiedIndex ?? revision };
    next.set(key, { item, text });
  }
  return before && !changed ? before : { revision, items: next };
}

/** By createdIndex; what came at once in the order it came in. */
function itemsBelow(items: Snapshot['items'], prefix: string): StoredItem[] {
  return [...items.values()]
    .map(({ item }) => item)
    .filter(({ key }) => key.startsWith(prefix))
    .sort((a, b) => a.createdIndex - b.createdIndex);
}

function toStatus(problem: string | undefined): WatchEvent {
  if (problem === undefined) return { kind: 'status', connected: true };
  return { kind: 'status', connected: false, reason: problem };
}

function toResync({ revision, items }: Snapshot): WatchEvent {
  return { kind: 'resync', revision, items: itemsBelow(items, '/') };
}

function toChanges(before: Snapshot, { revision, items }: Snapshot): WatchEvent {
  const gone = [...before.items.keys()].filter((key) => !items.has(key));
  const deletes = gone.map((key): Change => ({ kind: 'delete', key, revision }));
  const puts = [...items.values()]
    .filter((entry) => before.items.get(entry.item.key) !== entry)
    .map(({ item }): Change => ({ kind: 'put', item }));
  return { kind: 'changes', revision, changes: [...deletes, ...puts] };
}
