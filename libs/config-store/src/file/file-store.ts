import { readFileSync, statSync } from 'node:fs';
import type {
  ConfigStore,
  DeleteResult,
  History,
  StoredItem,
  WatchEvent,
  WriteResult,
} from '../config-store.ts';
import type { Environment } from './environment-references.ts';
import { MemoryStore } from '../memory/memory-store.ts';
import { parseStandalone, type StandaloneFormat } from './standalone-document.ts';
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

export class FileStore implements ConfigStore {
  readonly writable = false;
  readonly #options: FileStoreOptions;
  readonly #memory: MemoryStore;
  readonly #pollTimer: NodeJS.Timeout;
  /** Of the file as it was last looked at. */
  #signature: string | undefined;

  constructor(options: FileStoreOptions) {
    this.#options = options;
    this.#memory = new MemoryStore({
      howToWrite: `edit ${options.file}`,
      isEmptyAtFirst: false,
    });
    this.#poll();
    const poll = () => this.#poll();
    this.#pollTimer = setInterval(poll, options.pollIntervalMs ?? 1000).unref();
  }

  get(key: string): Promise<StoredItem | undefined> {
    return this.#memory.get(key);
  }

  list(prefix: string): Promise<{ revision: number; items: StoredItem[] }> {
    return this.#memory.list(prefix);
  }

  put(): Promise<WriteResult> {
    return this.#memory.put();
  }

  push(): Promise<WriteResult & { id: string }> {
    return this.#memory.push();
  }

  delete(): Promise<DeleteResult> {
    return this.#memory.delete();
  }

  deletePrefix(): Promise<DeleteResult> {
    return this.#memory.deletePrefix();
  }

  transact(): Promise<{ revision: number }> {
    return this.#memory.transact();
  }

  listAt(prefix: string, revision: number): Promise<StoredItem[]> {
    return this.#memory.listAt(prefix, revision);
  }

  history(): Promise<History> {
    return this.#memory.history();
  }

  watch(signal: AbortSignal): AsyncIterable<WatchEvent> {
    return this.#memory.watch(signal);
  }

  close(): Promise<void> {
    clearInterval(this.#pollTimer);
    return this.#memory.close();
  }

  /** Synchronous: a look is one stat, and parsing a changed file would block just the same. */
  #poll(): void {
    const { file, log } = this.#options;
    try {
      const stat = statSync(file, { bigint: true });
      const signature = [stat.mtimeNs, stat.ctimeNs, stat.size, stat.ino].join();
      if (signature === this.#signature) return;
      // Before reading: what is written meanwhile is then seen by the next look.
      this.#signature = signature;
      if (stat.size > FILE_BYTES_MAX) throw new Error(`more than ${FILE_BYTES_MAX} bytes`);
      this.#take(readFileSync(file, 'utf8'), Number(stat.mtimeMs));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== undefined) this.#signature = undefined;
      const problem = `failed to read ${file}: ${message}`;
      if (code !== undefined && problem === this.#memory.problem) return;
      log.error(problem);
      this.#memory.reportProblem(problem);
    }
  }

  /** A new revision is the file's time in milliseconds, or one more than the last. */
  #take(text: string, modifiedMs: number): void {
    const { file, format, env, log } = this.#options;
    const { items, problems } = parseStandalone(text, format, env);
    for (const problem of problems) log.error(`${file}: ${problem}`);
    const changed = this.#memory.replace(items, { revision: Math.floor(modifiedMs) });
    if (changed) log.info(`${file} read: ${items.length} items`);
  }
}
