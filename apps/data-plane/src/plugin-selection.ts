import { reloadPluginList } from '@polygate/chassis';
import type { GatewayConfig, Logger, PluginList } from '@polygate/chassis';
import type { WatchEvent } from '@polygate/config-store';
import { streamPlugins } from '@polygate/model';
import type { StreamPlugin } from '@polygate/model';
import { configuredDefinitions } from '@polygate/plugin-sdk';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { PLUGIN_DEFINITIONS } from '@polygate/plugins/definitions';
import { UserPlugins } from '@polygate/plugins/user-plugins';
import type { PluginSelection } from './config/config-item.ts';

/** The store's key with the list that the Admin API writes when plugins are reloaded. */
const PLUGINS_KEY = '/plugins';

export interface SelectedPluginsOptions {
  readonly config: GatewayConfig;
  readonly log: Logger;
  /** Files of users' plugins have changed: the selection is another one. */
  readonly onChange: () => void;
}

/** Which plugins run: those of the newest list, out of Polygate's and the users' own. */
export class SelectedPlugins {
  readonly #options: SelectedPluginsOptions;
  readonly #user: UserPlugins;
  /** Undefined: all that are on by default. */
  #wanted: readonly string[] | undefined;
  #selection: PluginSelection;

  constructor(options: SelectedPluginsOptions) {
    const { config, log } = options;
    this.#options = options;
    this.#user = new UserPlugins({ dirs: config.polygate.pluginDirs, parts: 'code', log });
    this.#wanted = config.plugins;
    this.#selection = { generation: 0, names: [], attr: config.pluginAttr };
  }

  get selection(): PluginSelection {
    return this.#selection;
  }

  /** Names of those that run, in the order of the list that they were taken from. */
  get listed(): readonly string[] {
    const { names } = this.#selection;
    return this.#wanted?.filter((name) => names.includes(name)) ?? names;
  }

  /** Those of the configuration file, by priority: stream routes are checked with them. */
  get streamPlugins(): readonly StreamPlugin[] {
    const { config } = this.#options;
    return [...streamPlugins(config.streamPlugins, PLUGIN_DEFINITIONS).values()];
  }

  get definitions(): ReadonlyMap<string, PluginDefinition> {
    const { pluginSettings } = this.#options.config;
    const all = this.#all();
    const definitions = this.#selection.names.flatMap((name) => {
      const definition = all.get(name);
      return definition === undefined ? [] : [[name, definition] as const];
    });
    return configuredDefinitions(new Map(definitions), pluginSettings);
  }

  /** To be called before anything else is asked. Never rejects. */
  async start(): Promise<void> {
    await this.#user.refresh();
    this.#choose(this.#selection.attr);
    this.#user.watch(() => {
      if (!this.select(this.#wanted)) return;
      this.#options.log.info('plugins changed');
      this.#options.onChange();
    });
  }

  /** Whether it is another set than before. */
  select(wanted: readonly string[] | undefined): boolean {
    this.#wanted = wanted;
    const before = this.#selection;
    const after = this.#choose(before.attr);
    if (!isSameSelection(before, after)) return true;
    this.#selection = before;
    return false;
  }

  /**
   * Looks for users' plugins that are new or failed before, too, and takes `plugin_attr` anew; a file that
   * cannot be read leaves it as it was. Never rejects.
   */
  async reload(wanted: readonly string[]): Promise<void> {
    let { attr } = this.#selection;
    try {
      attr = this.#readFile().pluginAttr;
    } catch (error) {
      this.#options.log.error(`plugin_attr stays as it was: ${String(error)}`);
    }
    await this.#take(wanted, attr);
  }

  /** The same, with the list of the configuration file. Rejects when that cannot be read. */
  async reloadFromFile(): Promise<void> {
    const { plugins, pluginAttr } = this.#readFile();
    await this.#take(plugins, pluginAttr);
  }

  close(): void {
    this.#user.close();
  }

  #readFile(): PluginList {
    return reloadPluginList(this.#options.config.file, process.env, this.#selection.attr);
  }

  async #take(wanted: readonly string[] | undefined, attr: PluginSelection['attr']): Promise<void> {
    await this.#user.refresh({ retry: true });
    this.#wanted = wanted;
    this.#choose(attr);
    this.#options.log.info('plugins reloaded');
  }

  #all(): ReadonlyMap<string, PluginDefinition> {
    return new Map([...this.#user.definitions, ...PLUGIN_DEFINITIONS]);
  }

  #choose(attr: PluginSelection['attr']): PluginSelection {
    const names = selectPluginNames(this.#wanted, this.#all(), this.#options.log);
    const chosen = new Set(names);
    const user = new Map([...this.#user.versions].filter(([name]) => chosen.has(name)));
    this.#selection = { generation: this.#selection.generation + 1, names, attr, user };
    return this.#selection;
  }
}

function isSameSelection(a: PluginSelection, b: PluginSelection): boolean {
  const names = [...(b.user?.keys() ?? [])];
  const sameVersions = names.every((name) => a.user?.get(name)?.id === b.user?.get(name)?.id);
  return sameVersions && a.names.join() === b.names.join();
}

/**
 * The plugins to run, by priority. Without a list: all that are on by default. Names that nobody has
 * are left out; APISIX's own list names many, so one line says so.
 */
function selectPluginNames(
  wanted: readonly string[] | undefined,
  definitions: ReadonlyMap<string, PluginDefinition>,
  log: Logger,
): string[] {
  const all = [...definitions.values()].sort((a, b) => b.priority - a.priority);
  if (wanted === undefined) {
    return all.filter(({ enabledByDefault }) => enabledByDefault !== false).map(({ name }) => name);
  }
  const unknown = wanted.filter((name) => !definitions.has(name));
  if (unknown.length > 0) log.warn(`plugins not known here are left out: ${unknown.join(', ')}`);
  return all.map(({ name }) => name).filter((name) => wanted.includes(name));
}

/**
 * The newest list in the event, `[{"name": …, "stream": true}, …]`. Undefined without one, and for
 * one that breaks a rule: the log says so, and what was selected before stays.
 */
export function pluginNamesOf(
  event: Exclude<WatchEvent, { kind: 'status' }>,
  log: Logger,
): readonly string[] | undefined {
  const items =
    event.kind === 'resync'
      ? event.items
      : event.changes.flatMap((change) => (change.kind === 'put' ? change.item : []));
  const value = items.findLast(({ key }) => key === PLUGINS_KEY)?.value;
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || !value.every(isListedPlugin)) {
    log.error(`failed to check item data of [plugins]: expected a list of {"name", "stream"}`);
    return undefined;
  }
  return value.flatMap(({ name, stream }) => (stream === true ? [] : name));
}

interface ListedPlugin {
  readonly name: string;
  readonly stream?: boolean;
}

function isListedPlugin(entry: unknown): entry is ListedPlugin {
  if (typeof entry !== 'object' || entry === null) return false;
  const { name, stream } = entry as { name?: unknown; stream?: unknown };
  const isFlag = stream === undefined || typeof stream === 'boolean';
  return typeof name === 'string' && name !== '' && isFlag;
}
