import { readFileSync, statSync } from 'node:fs';
import type { Change, ConfigStore, StoredItem, WatchEvent, WriteResult } from '../config-store.ts';
import type { Environment } from './environment-references.ts';
import { StoreError } from '../errors.ts';
import { createPulse } from '../pulse.ts';
import {
  parseStandalone,
  type StandaloneFormat,
  type StandaloneItem,
} from './standalone-document.ts';
import { assertKey, assertPrefix } from '../stored-item.ts';
import type { StoreLog } from '../store-log.ts';

export interface FileStoreOptions {
  /** `conf/apisix.yaml` or `conf/apisix.json`. */
  readonly file: string;
  readonly format: StandaloneFormat;
  /** For `${{NAME}}` in the file. */
  readonly env: Environment;
  /** How often the file is looked at. Default 1000, as APISIX. */
  readonly pollIntervalMs?: number;
  readonly log: StoreLog;
}

const FILE_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Opens the standalone file of APISIX (apisix/core/config_yaml.lua), for reading only. Looks at it
 * again every `pollIntervalMs`; a bad file is logged once and what was read before stays. Until the
 * file was good once, reads reject with UNAVAILABLE and a watch says so in its `status`.
 */
export function openFileStore(options: FileStoreOptions): FileStore {
  return new FileStore(options);
}

/** An item with the text it is compared by. */
interface FileItem {
  readonly item: StoredItem;
  readonly text: string;
}

/** What a good file held. */
interface Snapshot {
  readonly revision: number;
  readonly items: ReadonlyMap<string, FileItem>;
}

export class FileStore implements ConfigStore {
  readonly writable = false;
  readonly #options: FileStoreOptions;
  readonly #pulse = createPulse();
  readonly #closing = new AbortController();
  readonly #pollTimer: NodeJS.Timeout;
  #snapshot: Snapshot | undefined;
  /** Why the file as it is now is not what is in use. */
  #problem: string | undefined;
  /** Of the file as it was last looked at. */
  #signature: string | undefined;

  constructor(options: FileStoreOptions) {
    this.#options = options;
    this.#poll();
    const poll = () => this.#poll();
    this.#pollTimer = setInterval(poll, options.pollIntervalMs ?? 1000).unref();
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

  delete(): Promise<number> {
    return Promise.reject(this.#readOnly());
  }

  deletePrefix(): Promise<number> {
    return Promise.reject(this.#readOnly());
  }

  /** A slow reader gets the sum of the changes it missed, not each. */
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
    clearInterval(this.#pollTimer);
    return Promise.resolve();
  }

  #current(): Snapshot {
    if (this.#snapshot) return this.#snapshot;
    throw new StoreError('UNAVAILABLE', this.#problem ?? 'the file was not read yet');
  }

  #readOnly(): StoreError {
    return new StoreError('READ_ONLY', `${this.#options.file} is only read: edit the file`);
  }

  /** Synchronous: a look is one stat, and parsing a changed file would block just the same. */
  #poll(): void {
    const { file, log } = this.#options;
    let modifiedMs = 0;
    try {
      const stat = statSync(file, { bigint: true });
      const signature = [stat.mtimeNs, stat.ctimeNs, stat.size, stat.ino].join();
      if (signature === this.#signature) return;
      // Before reading: what is written meanwhile is then seen by the next look.
      this.#signature = signature;
      modifiedMs = Number(stat.mtimeMs);
      if (stat.size > FILE_BYTES_MAX) throw new Error(`more than ${FILE_BYTES_MAX} bytes`);
      this.#take(readFileSync(file, 'utf8'), modifiedMs);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== undefined) this.#signature = undefined;
      const problem = `failed to read ${file}: ${message}`;
      if (code !== undefined && problem === this.#problem) return;
      this.#problem = problem;
      log.error(problem);
      this.#pulse.beat();
    }
  }

  #take(text: string, modifiedMs: number): void {
    const { file, format, env, log } = this.#options;
    const { items, problems } = parseStandalone(text, format, env);
    for (const problem of problems) log.error(`${file}: ${problem}`);
    const before = this.#snapshot;
    const next = nextSnapshot(before, items, Math.floor(modifiedMs));
    if (before === next && this.#problem === undefined) return;
    this.#snapshot = next;
    this.#problem = undefined;
    log.info(`${file} read: ${next.items.size} items`);
    this.#pulse.beat();
  }
}

/**
 * Gives the items their revisions: an unchanged item keeps its own, so that what was built from it
 * can be kept as well. A new revision is the file's time in milliseconds, or one more than the
 * last. Returns `before` itself where nothing changed.
 */
function nextSnapshot(
  before: Snapshot | undefined,
  items: readonly StandaloneItem[],
  modifiedMs: number,
): Snapshot {
  const revision = Math.max(modifiedMs, (before?.revision ?? 0) + 1);
  const next = new Map<string, FileItem>();
  let changed = before === undefined || before.items.size !== items.length;
  for (const { key, value, modifiedIndex } of items) {
    const text = JSON.stringify(value);
    const previous = before?.items.get(key);
    if (previous?.text === text) {
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

/** By createdIndex; what came with one file in the order of the file. */
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
