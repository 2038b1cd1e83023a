import { watch, type FSWatcher } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { AnyExternalPlugin } from '../external-plugin.ts';
import { ModuleGenerations } from './module-generations.ts';
import { importPlugins, pluginFiles, pluginFolders } from './plugin-files.ts';
import type { RunnerLog } from '../runner-log.ts';

/** Editors write a file in several steps. */
const SETTLE_MS = 30;
/** For file systems that tell nobody: network mounts, some container mounts. */
const LOOK_MS = 1_000;

export interface PluginWatchOptions {
  /** Files, folders, packages, as on the command line. */
  readonly places: readonly string[];
  readonly cwd: string;
  readonly log: RunnerLog;
  /** Takes the new version. What it throws counts as a broken save. */
  readonly onPlugins: (plugins: AnyExternalPlugin[]) => void;
}

/**
 * Loads plugins, and again when one of their files, or a file these import, is saved. A save that
 * cannot be loaded is logged and changes nothing. Only the first load throws.
 */
export class PluginWatch {
  readonly #options: PluginWatchOptions;
  readonly #generations = new ModuleGenerations();
  readonly #watchers = new Map<string, FSWatcher>();
  #files: ReadonlySet<string> = new Set();
  #folders: readonly string[] = [];
  #seen = '';
  #settle: NodeJS.Timeout | undefined;
  #look: NodeJS.Timeout | undefined;
  #checking: Promise<void> | undefined;
  #closed = false;

  constructor(options: PluginWatchOptions) {
    this.#options = options;
  }

  /** @throws {Error} where the plugins cannot be loaded */
  async load(): Promise<AnyExternalPlugin[]> {
    const plugins = await this.#loadGeneration();
    this.#look = setInterval(() => void this.#check(), LOOK_MS).unref();
    return plugins;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#settle);
    clearInterval(this.#look);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#generations.close();
  }

  async #loadGeneration(): Promise<AnyExternalPlugin[]> {
    const { places, cwd } = this.#options;
    const { suffix, files } = this.#generations.begin();
    const entries = await pluginFiles(places, cwd);
    this.#folders = await pluginFolders(places, cwd);
    // Of before it is read: a save in between is seen at the next look.
    const known = new Set([...this.#files, ...entries]);
    const before = await fingerprint(known, this.#folders);
    try {
      const plugins = await importPlugins(entries, suffix);
      this.#files = new Set([...entries, ...files]);
      return plugins;
    } catch (error) {
      this.#files = new Set([...known, ...files]);
      throw error;
    } finally {
      const now = await fingerprint(this.#files, this.#folders);
      const isSettled = before === (await fingerprint(known, this.#folders));
      this.#seen = isSettled ? now : '';
      this.#watchFolders();
    }
  }

  #watchFolders(): void {
    if (this.#closed) return;
    const wanted = new Set([...this.#folders, ...Array.from(this.#files, (file) => dirname(file))]);
    for (const [folder, watcher] of this.#watchers) {
      if (wanted.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of wanted) {
      if (!this.#watchers.has(folder)) this.#watchFolder(folder);
    }
  }

  #watchFolder(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#changed());
      // The folder may be removed; the regular look goes on.
      watcher.on('error', () => this.#watchers.delete(folder));
      this.#watchers.set(folder, watcher);
    } catch (error) {
      this.#options.log.warn(`${folder} cannot be watched: ${(error as Error).message}`);
    }
  }

  #changed(): void {
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => void this.#check(), SETTLE_MS).unref();
  }

  /** One at a time. Never rejects. */
  #check(): Promise<void> {
    this.#checking ??= this.#checkOnce().finally(() => (this.#checking = undefined));
    return this.#checking;
  }

  async #checkOnce(): Promise<void> {
    if (this.#closed || (await fingerprint(this.#files, this.#folders)) === this.#seen) return;
    try {
      this.#options.onPlugins(await this.#loadGeneration());
    } catch (error) {
      const { message } = error as Error;
      this.#options.log.error(`the save is not taken, the last good version stays: ${message}`);
    }
  }
}

/** Changes when one of the files, or what a folder holds, does. */
async function fingerprint(files: Iterable<string>, folders: readonly string[]): Promise<string> {
  const parts = [...Array.from(files, fileMark), ...folders.map(folderMark)];
  return (await Promise.all(parts)).sort().join('\n');
}

async function fileMark(file: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(file);
    return `${file} ${ino} ${size} ${mtimeMs}`;
  } catch {
    // Gone for now, which is a state as well.
    return `${file} -`;
  }
}

async function folderMark(folder: string): Promise<string> {
  try {
    return `${folder} ${(await readdir(folder)).sort().join('/')}`;
  } catch {
    return `${folder} -`;
  }
}
