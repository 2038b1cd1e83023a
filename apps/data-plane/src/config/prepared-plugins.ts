import type { PluginConf, PluginConfs, ResourceKind } from '@polygate/model';
import type {
  ErrorLog,
  GatewayNode,
  Logger,
  Plugin,
  PluginDefinition,
  PluginEnvironment,
  PublicApi,
} from '@polygate/plugin-sdk';
import type { PreparedPlugin } from '../pipeline/plugin-chain.ts';
import { preparePlugin } from '../pipeline/prepare-plugin.ts';
import type { ConfigItem } from './config-item.ts';

/** What every plugin's environment has, whatever the conf. */
export type SharedEnvironment = Pick<
  PluginEnvironment,
  'shared' | 'sharedCache' | 'settings' | 'metrics' | 'external' | 'httpsPorts'
> & {
  readonly logFor: (plugin: string) => Logger;
  readonly node: GatewayNode;
  /** Undefined: no plugin works beside requests. */
  readonly errorLog?: ErrorLog;
};

/** What the environment has besides, of the snapshot that is built. */
export type BuildEnvironment = SharedEnvironment &
  Pick<
    PluginEnvironment,
    'compileUpstream' | 'findProto' | 'findUpstreamResource' | 'costDecorationsOf'
  > & {
    /** A plugin's conf of a route, its plugin config or its service. */
    readonly confOnRoute: (routeId: string, plugin: string) => PluginConf | undefined;
  };

/** A plugin's conf, with the object it stands in. */
export interface PlacedConf {
  readonly conf: PluginConf;
  readonly item: ConfigItem;
}

const SOURCE_KIND: Readonly<Partial<Record<ResourceKind, string>>> = {
  routes: 'route',
  services: 'service',
  plugin_configs: 'plugin_config',
  consumers: 'consumer',
  consumer_groups: 'consumer_group',
  global_rules: 'global_rule',
};

/** As `route/1`. */
export function originOf({ kind, id }: Pick<ConfigItem, 'kind' | 'id'>): string {
  return `${SOURCE_KIND[kind] ?? kind}/${id}`;
}

/** Whole plugins replace each other; confs are never merged field by field. Later layers win. */
export function placeConfs(
  layers: readonly (ConfigItem | undefined)[],
  below: ReadonlyMap<string, PlacedConf> = new Map(),
): Map<string, PlacedConf> {
  const confs = new Map(below);
  for (const item of layers) {
    const plugins = (item?.value as { plugins?: PluginConfs } | undefined)?.plugins ?? {};
    for (const [name, conf] of Object.entries(plugins)) {
      confs.set(name, { conf, item: item as ConfigItem });
    }
  }
  return confs;
}

/** Prepares each conf once, whatever number of chains it is in, and knows what to dispose of. */
export class PreparedPlugins {
  readonly #environment: BuildEnvironment;
  readonly #metadataOf: (plugin: string) => Readonly<Record<string, unknown>>;
  #prepared = new Map<ConfigItem, Map<string, PreparedPlugin>>();
  /** Items to look at when it is retired next: gone, or prepared since, perhaps for an old chain. */
  readonly #suspects = new Set<ConfigItem>();
  /** Of a former plugin set or metadata. */
  #outdated: PreparedPlugin[] = [];
  #plugins: ReadonlyMap<string, Plugin> = new Map();
  #publicApis: readonly PublicApi[] = [];
  #endBackground: readonly (() => void)[] = [];
  #attr: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {};

  constructor(
    environment: BuildEnvironment,
    metadataOf: (plugin: string) => Readonly<Record<string, unknown>>,
  ) {
    this.#environment = environment;
    this.#metadataOf = metadataOf;
  }

  get definitions(): ReadonlyMap<string, PluginDefinition> {
    return new Map([...this.#plugins].map(([name, { definition }]) => [name, definition]));
  }

  select(
    plugins: ReadonlyMap<string, Plugin>,
    attr: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ): void {
    this.#plugins = plugins;
    this.#attr = attr;
    this.#publicApis = [...plugins].flatMap(
      ([name, plugin]) =>
        plugin.publicApis?.(attr[name] ?? {}, {
          metadata: () => this.#metadataOf(name),
          settings: this.#environment.settings,
          node: this.#environment.node,
          confOf: (routeId) => this.#environment.confOnRoute(routeId, name),
          sharedCache: this.#environment.sharedCache,
        }) ?? [],
    );
    for (const end of this.#endBackground) end();
    this.#endBackground = [...plugins].flatMap(([name, plugin]) => this.#begin(name, plugin) ?? []);
    this.prepareAnew();
  }

  #begin(name: string, plugin: Plugin): (() => void) | undefined {
    const { errorLog, logFor, metrics } = this.#environment;
    if (errorLog === undefined) return undefined;
    const metadata = (): Readonly<Record<string, unknown>> => this.#metadataOf(name);
    return plugin.background?.({ metadata, errorLog, metrics, log: logFor(name) });
  }

  /** Everything is prepared again when next asked for. */
  prepareAnew(): void {
    for (const plugins of this.#prepared.values()) this.#outdated.push(...plugins.values());
    this.#prepared = new Map();
  }

  /** Leaves out what is not enabled or has `_meta.disable`. Throws what a plugin's `prepare` throws. */
  all(confs: ReadonlyMap<string, PlacedConf>): PreparedPlugin[] {
    return [...confs].flatMap(([name, placed]) => this.#get(name, placed) ?? []);
  }

  #get(name: string, { conf, item }: PlacedConf): PreparedPlugin | undefined {
    const plugin = this.#plugins.get(name);
    if (plugin === undefined || conf._meta?.disable === true) return undefined;
    const ofItem = this.#prepared.get(item) ?? new Map<string, PreparedPlugin>();
    const known = ofItem.get(name);
    if (known !== undefined) return known;

    const { logFor, ...shared } = this.#environment;
    const { id, kind, modifiedIndex, hasSecrets } = item;
    const prepared = preparePlugin(plugin, conf, {
      ...shared,
      source: {
        ...{ kind: SOURCE_KIND[kind] ?? kind, id, modifiedIndex },
        ...(hasSecrets && { hasSecrets }),
      },
      attr: this.#attr[name] ?? {},
      metadata: this.#metadataOf(name),
      metadataOf: this.#metadataOf,
      plugins: this.#plugins,
      publicApis: this.#publicApis,
      log: logFor(name),
    });
    this.#prepared.set(item, ofItem.set(name, prepared));
    this.#suspects.add(item);
    return prepared;
  }

  /**
   * Forgets what nothing needs any more and answers how to dispose of it. `gone`: the items that were
   * replaced or deleted since the last time; looking at all of them would make each change cost as
   * much as the whole configuration.
   */
  retire(
    gone: readonly ConfigItem[],
    isCurrent: (item: ConfigItem) => boolean,
    inUse: ReadonlySet<PreparedPlugin>,
  ): (() => void)[] {
    const retired = this.#outdated.filter((plugin) => !inUse.has(plugin));
    this.#outdated = this.#outdated.filter((plugin) => inUse.has(plugin));
    for (const item of gone) this.#suspects.add(item);
    for (const item of this.#suspects) {
      const plugins = this.#prepared.get(item);
      if (plugins !== undefined && !isCurrent(item)) {
        for (const [name, plugin] of plugins) {
          if (inUse.has(plugin)) continue;
          retired.push(plugin);
          plugins.delete(name);
        }
        // what is in use is looked at again
        if (plugins.size > 0) continue;
        this.#prepared.delete(item);
      }
      this.#suspects.delete(item);
    }
    return retired.flatMap(({ dispose }) => dispose ?? []);
  }
}
