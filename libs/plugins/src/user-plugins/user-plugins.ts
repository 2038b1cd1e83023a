import { sep } from 'node:path';
import type { Logger, PluginDefinition } from '@polygate/plugin-sdk';
import { PLUGIN_DEFINITIONS } from '../definitions.ts';
import { standInDefinition } from './stand-in-plugin.ts';
import { tryUserPlugin } from './try-user-plugin.ts';
import type { UserPluginParts } from './try-user-plugin.ts';
import { listPlugins, readPlugin } from './user-plugin-files.ts';
import type { ListedPlugin, UserPluginVersion } from './user-plugin-files.ts';
import { importUserDefinition, importUserPlugin } from './user-plugin-modules.ts';

export type { UserPluginVersion } from './user-plugin-files.ts';

/**
 * Files are looked at, not watched: links that are swapped, network file systems and editors that
 * rename are all the same to it, and it costs a stat a file.
 */
const LOOK_MS = 500;
/** Modules are never unloaded: past this many versions a process wants to be started anew. */
const VERSIONS_MAX = 1000;
/** Each has a thread of its own while it is tried. */
const LOADS_AT_ONCE = 4;

export interface UserPluginsOptions {
  /** Absolute; of two plugins with one name that in the earlier folder counts. */
  readonly dirs: readonly string[];
  readonly parts: UserPluginParts;
  readonly log: Logger;
}

/** What is known of the plugin of one name. */
interface Known {
  readonly path: string;
  readonly signature: string;
  /** The last version that could be loaded. */
  readonly good: LoadedPlugin | undefined;
  /** Why the newest version could not be. */
  readonly problem: string | undefined;
}

interface LoadedPlugin {
  readonly version: UserPluginVersion;
  readonly definition: PluginDefinition;
}

/**
 * The plugins in `polygate.plugin_dirs`, in the newest version that works. With `parts: 'code'` a plugin
 * that never worked has a stand-in, which refuses requests: to serve them without it could open what it
 * guards. With `parts: 'definitions'` there is none, and it is unknown.
 */
export class UserPlugins {
  readonly #options: UserPluginsOptions;
  #known: ReadonlyMap<string, Known> = new Map();
  #turn: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #loads = 0;
  /** Reasons that were logged, so that no look repeats them. */
  #complaints: ReadonlySet<string> = new Set();

  constructor(options: UserPluginsOptions) {
    this.#options = options;
  }

  get definitions(): ReadonlyMap<string, PluginDefinition> {
    const definitions = new Map<string, PluginDefinition>();
    for (const [name, { good }] of this.#known) {
      if (good !== undefined) definitions.set(name, good.definition);
      else if (this.#options.parts === 'code') definitions.set(name, standInDefinition(name));
    }
    return definitions;
  }

  /** For threads that run them. */
  get versions(): ReadonlyMap<string, UserPluginVersion> {
    return new Map(
      [...this.#known].map(([name, { good, problem = 'unknown' }]) => [
        name,
        good?.version ?? { name, id: '', entry: '', files: {}, problem },
      ]),
    );
  }

  /**
   * Looks at the folders and loads what has changed. `retry`: what could not be loaded is tried again,
   * changed or not. Resolves with whether anything is another than before; never rejects.
   */
  refresh({ retry = false } = {}): Promise<boolean> {
    const refreshed = this.#turn.then(async () => this.#take(await this.#list(), retry));
    this.#turn = refreshed.catch(() => undefined);
    return refreshed;
  }

  /** Refreshes when files have changed and changed no more for a moment; calls back when that mattered. */
  watch(onChange: () => void): void {
    if (this.#options.dirs.length === 0) return;
    let taken = signatureOf([...this.#known].map(([name, known]) => ({ name, ...known })));
    let seen = taken;
    const look = async (): Promise<void> => {
      const signature = signatureOf((await this.#list()).values().toArray());
      const isSettled = signature === seen;
      seen = signature;
      if (isSettled && signature !== taken) {
        taken = signature;
        if (await this.refresh()) onChange();
      }
      if (this.#timer !== undefined) schedule();
    };
    const schedule = (): void => {
      this.#timer = setTimeout(() => void look(), LOOK_MS);
      this.#timer.unref();
    };
    schedule();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** By name. Says once what is wrong with folders and names. */
  async #list(): Promise<Map<string, ListedPlugin>> {
    const listed = new Map<string, ListedPlugin>();
    const complaints = new Set<string>();
    for (const dir of this.#options.dirs) {
      const plugins = await listPlugins(dir).catch((error: unknown) => {
        complaints.add(`plugin_dirs: ${dir} cannot be read: ${reasonOf(error)}`);
        return this.#knownIn(dir);
      });
      for (const plugin of plugins) {
        const { name, path } = plugin;
        const other = listed.get(name);
        if (PLUGIN_DEFINITIONS.has(name)) {
          complaints.add(`${path} is left out: Polygate has a plugin [${name}] of its own`);
        } else if (other !== undefined) {
          complaints.add(`${path} is left out: ${other.path} is a plugin [${name}] already`);
        } else listed.set(name, plugin);
      }
    }
    for (const complaint of complaints) {
      if (!this.#complaints.has(complaint)) this.#options.log.error(complaint);
    }
    this.#complaints = complaints;
    return listed;
  }

  /** A folder that is out of reach for a while takes nothing away. */
  #knownIn(dir: string): ListedPlugin[] {
    return [...this.#known]
      .filter(([, { path }]) => path.startsWith(dir + sep))
      .map(([name, { path, signature }]) => ({ name, path, signature, files: [] }));
  }

  async #take(listed: ReadonlyMap<string, ListedPlugin>, retry: boolean): Promise<boolean> {
    const before = this.#known;
    const known = new Map<string, Known>();
    const waiting = [...listed.values()];
    while (waiting.length > 0) {
      const batch = waiting.splice(0, LOADS_AT_ONCE);
      const loaded = await Promise.all(
        batch.map((plugin) => this.#loadChanged(plugin, before.get(plugin.name), retry)),
      );
      batch.forEach(({ name }, i) => known.set(name, loaded[i] as Known));
    }
    for (const name of before.keys()) {
      if (!known.has(name)) this.#options.log.warn(`user plugin [${name}] is gone`);
    }
    this.#known = known;
    return !haveSameVersions(before, known);
  }

  async #loadChanged(
    plugin: ListedPlugin,
    former: Known | undefined,
    retry: boolean,
  ): Promise<Known> {
    const isSame = former?.signature === plugin.signature && former.path === plugin.path;
    const isDone = isSame && (former.problem === undefined || !retry);
    return isDone ? former : await this.#load(plugin, former);
  }

  async #load(plugin: ListedPlugin, former: Known | undefined): Promise<Known> {
    const { log, parts } = this.#options;
    const { name, path, signature } = plugin;
    try {
      const read = await readPlugin(plugin);
      if (former?.good?.version.id === read.id) {
        return { path, signature, good: former.good, problem: undefined };
      }
      if (this.#loads >= VERSIONS_MAX) {
        throw new Error(`${VERSIONS_MAX} versions were loaded: restart to go on`);
      }
      this.#loads += 1;
      // Node keeps a failure as it keeps a module: what failed is tried under another name
      const isRetry = former?.problem !== undefined;
      const version = isRetry ? { ...read, id: `${read.id}-${this.#loads}` } : read;
      await tryUserPlugin({ version, parts });
      const definition =
        parts === 'code'
          ? (await importUserPlugin(version)).definition
          : await importUserDefinition(version);
      log.info(`user plugin [${name}] is loaded from ${path}`);
      return { path, signature, good: { version, definition }, problem: undefined };
    } catch (error) {
      const good = former?.good;
      const problem = reasonOf(error);
      log.error(
        `user plugin [${name}] cannot be loaded from ${path}: ${problem}; ` +
          (good === undefined ? 'it never worked' : 'its last good version stays'),
      );
      return { path, signature, good, problem };
    }
  }
}

function haveSameVersions(a: ReadonlyMap<string, Known>, b: ReadonlyMap<string, Known>): boolean {
  return a.size === b.size && [...b].every(([name, { good }]) => good === a.get(name)?.good);
}

function signatureOf(
  plugins: readonly Pick<ListedPlugin, 'name' | 'path' | 'signature'>[],
): string {
  return plugins.map(({ name, path, signature }) => `${name} ${path}\n${signature}`).join('\n');
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
