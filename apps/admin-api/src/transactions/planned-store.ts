import type { Guards, Operation, StoredItem } from '@polygate/config-store';
import type { ReadableStore } from '../store/readable-store.ts';

/** One item as it is and as it is going to be; undefined where there is none. */
export interface PlannedChange {
  readonly key: string;
  readonly before: StoredItem | undefined;
  readonly after: unknown;
}

/**
 * The store as it is going to be when a transaction is done. It remembers what was looked at: the
 * transaction holds only where that has not changed until it is.
 */
export class PlannedStore implements ReadableStore {
  readonly #revision: number;
  readonly #before: ReadonlyMap<string, StoredItem>;
  readonly #planned = new Map<string, StoredItem | undefined>();
  readonly #guardedItems = new Map<string, number>();
  readonly #guardedPrefixes = new Set<string>();
  /** By prefix, once the plan is complete: the checks read the same lists over and over. */
  #folders: ReadonlyMap<string, StoredItem[]> | undefined;

  constructor({ revision, items }: { revision: number; items: readonly StoredItem[] }) {
    this.#revision = revision;
    this.#before = new Map(items.map((item) => [item.key, item]));
  }

  /** As it is; without a guard. */
  before(key: string): StoredItem | undefined {
    return this.#before.get(key);
  }

  isPlanned(key: string): boolean {
    return this.#planned.has(key);
  }

  put(key: string, value: unknown): void {
    const modifiedIndex = this.#revision + 1;
    const createdIndex = this.#before.get(key)?.createdIndex ?? modifiedIndex;
    this.#planned.set(key, { key, value, createdIndex, modifiedIndex });
    this.#folders = undefined;
  }

  delete(key: string): void {
    this.#planned.set(key, undefined);
    this.#folders = undefined;
  }

  /** Deletes what is there now below these prefixes, but not what is planned to be put there. */
  deleteBelow(prefixes: ReadonlySet<string>): void {
    if (prefixes.size === 0) return;
    for (const prefix of prefixes) this.#guardedPrefixes.add(prefix);
    for (const key of this.#before.keys()) {
      if (this.#planned.has(key)) continue;
      if (foldersOf(key).some((folder) => prefixes.has(folder))) this.delete(key);
    }
  }

  /** What is there now has to be there still. */
  guard(key: string): void {
    this.#guardedItems.set(key, this.#before.get(key)?.modifiedIndex ?? 0);
  }

  get(key: string): Promise<StoredItem | undefined> {
    if (this.#planned.has(key)) return Promise.resolve(this.#planned.get(key));
    this.guard(key);
    return Promise.resolve(this.#before.get(key));
  }

  list(prefix: string): Promise<{ revision: number; items: StoredItem[] }> {
    this.#guardedPrefixes.add(prefix);
    this.#folders ??= this.#fillFolders();
    const items = this.#folders.get(prefix) ?? [];
    return Promise.resolve({ revision: this.#revision + 1, items });
  }

  changes(): PlannedChange[] {
    return Array.from(this.#planned, ([key, item]) => ({
      key,
      before: this.#before.get(key),
      after: item?.value,
    }));
  }

  operations(): Operation[] {
    return Array.from(this.#planned, ([key, item]) =>
      item === undefined ? { kind: 'delete', key } : { kind: 'put', key, value: item.value },
    );
  }

  guards(): Guards {
    const prefixes = joinPrefixes([...this.#guardedPrefixes]);
    return { items: this.#guardedItems, unwritten: { prefixes, since: this.#revision } };
  }

  #fillFolders(): Map<string, StoredItem[]> {
    const folders = new Map<string, StoredItem[]>();
    const add = (item: StoredItem) => {
      for (const folder of foldersOf(item.key)) {
        const items = folders.get(folder);
        if (items === undefined) folders.set(folder, [item]);
        else items.push(item);
      }
    };
    for (const [key, item] of this.#before) {
      const planned = this.#planned.has(key) ? this.#planned.get(key) : item;
      if (planned !== undefined) add(planned);
    }
    for (const [key, item] of this.#planned) {
      if (item !== undefined && !this.#before.has(key)) add(item);
    }
    return folders;
  }
}

/** A store looks at few prefixes at once: of many, each kind's as a whole instead. */
const PREFIXES_MAX = 16;

function joinPrefixes(prefixes: readonly string[]): string[] {
  if (prefixes.includes('/')) return ['/'];
  if (prefixes.length <= PREFIXES_MAX) return [...prefixes];
  return [...new Set(prefixes.map((prefix) => prefix.slice(0, prefix.indexOf('/', 1) + 1)))];
}

/** `/`, `/consumers/`, `/consumers/jack/` … of `/consumers/jack/credentials/1`. */
function foldersOf(key: string): string[] {
  const folders: string[] = [];
  for (let at = 0; at !== -1; at = key.indexOf('/', at + 1)) folders.push(key.slice(0, at + 1));
  return folders;
}
