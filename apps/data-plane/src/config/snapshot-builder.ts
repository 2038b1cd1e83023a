import type { ResourceKind, RouteResource } from '@polygate/model';
import type { ConsumerMatch, Logger, Plugin } from '@polygate/plugin-sdk';
import { makeChain } from '../pipeline/plugin-chain.ts';
import type { PluginChain, PreparedPlugin } from '../pipeline/plugin-chain.ts';
import { RouteTable } from '../routing/route-table.ts';
import type { RouteChange, RouterMode } from '../routing/route-table.ts';
import type { CompiledUpstream, UpstreamSurroundings } from '../upstream/compiled-upstream.ts';
import { compileRoute } from './compile-route.ts';
import {
  CompiledCertificates,
  showsCertificate,
  upstreamsShowing,
} from './compiled-certificates.ts';
import type { BuilderTlsOptions } from './compiled-certificates.ts';
import type { ConfigUpdate } from './config-item.ts';
import type { CompiledRoute, ConfigSnapshot, ConsumerIndex } from './config-snapshot.ts';
import { buildConsumerIndex } from './consumer-index.ts';
import type { ConsumerLayers } from './consumer-index.ts';
import { groupDecorations, type CostDecorations } from './cost-decorations.ts';
import { confOnRoute, ItemStore } from './item-store.ts';
import type { ChangedIds } from './item-store.ts';
import { PreparedPlugins } from './prepared-plugins.ts';
import type { PlacedConf, SharedEnvironment } from './prepared-plugins.ts';
import { candidatesIn } from './route-of-items.ts';
import type { RouteOfItems } from './route-of-items.ts';

export interface SnapshotBuilderOptions {
  readonly routerMode: RouterMode;
  readonly environment: SharedEnvironment;
  readonly log: Logger;
  /** Default: APISIX's defaults, and sessions are not resumed. */
  readonly tls?: BuilderTlsOptions;
  /** Default: loads of nodes are counted here only, and all are healthy. */
  readonly upstreams?: UpstreamSurroundings;
}

export interface BuiltSnapshot {
  readonly snapshot: ConfigSnapshot;
  /** Of prepared plugins that the former snapshot has and this one has not. */
  readonly disposals: readonly (() => void)[];
  /** Items that could not be compiled: they serve their former version, or not at all. */
  readonly failures: readonly CompileFailure[];
}

export interface CompileFailure {
  readonly kind: ResourceKind;
  readonly id: string;
  readonly reason: string;
  readonly keepsOlderVersion: boolean;
}

/** Only to be read, and only until the next snapshot is built. */
export interface SnapshotParts {
  readonly items: ItemStore;
  readonly table: RouteTable<CompiledRoute>;
  readonly routes: ReadonlyMap<string, RouteOfItems>;
  readonly routerMode: RouterMode;
  isLoaded(plugin: string): boolean;
  layersOf(consumer: ConsumerMatch): ConsumerLayers | undefined;
}

/** What the index of consumers is made of. */
const CONSUMER_KINDS = ['consumers', 'consumer_groups', 'credentials'] as const;

/**
 * Turns validated items into snapshots. Keeps what it compiled, so that a change costs what depends
 * on it and not the size of the configuration: a route is compiled anew when it, its service or its
 * plugin config changes; upstreams, consumers and global rules are looked up at each request.
 */
export class SnapshotBuilder {
  readonly #options: SnapshotBuilderOptions;
  readonly #items = new ItemStore();
  readonly #prepared: PreparedPlugins;
  readonly #routes = new Map<string, RouteOfItems>();
  readonly #failures = new Map<string, CompileFailure>();
  readonly #certificates: CompiledCertificates;
  #table: RouteTable<CompiledRoute> = RouteTable.empty();
  #upstreams: ReadonlyMap<string, CompiledUpstream> = new Map();
  #decorations: CostDecorations = new Map();
  #globalRules: PluginChain = makeChain([]);
  #consumers: ConsumerIndex;
  /** Of all matches ever handed out: a request may hold one of an older index. */
  readonly #layers = new WeakMap<ConsumerMatch, ConsumerLayers>();

  constructor(options: SnapshotBuilderOptions) {
    this.#options = options;
    this.#certificates = new CompiledCertificates(options.tls, options.upstreams);
    this.#prepared = new PreparedPlugins(
      {
        ...options.environment,
        compileUpstream: (resource, options) =>
          this.#certificates.compileUpstream(resource, undefined, undefined, options),
        findProto: (id) => this.#items.get('protos', id)?.value,
        findUpstreamResource: (id) => this.#items.get('upstreams', id)?.value,
        confOnRoute: (routeId, plugin) => confOnRoute(this.#items, routeId, plugin),
        costDecorationsOf: (serviceId) => this.#decorations.get(serviceId) ?? [],
      },
      (plugin) => this.#items.get('plugin_metadata', plugin)?.value ?? {},
    );
    this.#consumers = buildConsumerIndex(this.#items, new Map(), this.#layers);
  }

  /** What the last snapshot was made of, for those who explain it. */
  get parts(): SnapshotParts {
    return {
      items: this.#items,
      table: this.#table,
      routes: this.#routes,
      routerMode: this.#options.routerMode,
      isLoaded: (plugin) => this.#prepared.definitions.has(plugin),
      layersOf: (consumer) => this.#layers.get(consumer),
    };
  }

  /** `plugins`: the loaded set, when the update selects another one. */
  build(update: ConfigUpdate, plugins?: ReadonlyMap<string, Plugin>): BuiltSnapshot {
    const changed = this.#items.apply(update);
    const anew = plugins !== undefined || changed.has('plugin_metadata');
    if (plugins !== undefined) this.#prepared.select(plugins, update.plugins?.attr ?? {});
    else if (anew) this.#prepared.prepareAnew();

    if (changed.has('graphql_cost_decorations')) {
      this.#decorations = groupDecorations(this.#items.all('graphql_cost_decorations'));
    }
    if (anew || changed.has('global_rules')) this.#updateGlobalRules();
    if (anew || CONSUMER_KINDS.some((kind) => changed.has(kind))) {
      this.#consumers = buildConsumerIndex(this.#items, this.#prepared.definitions, this.#layers);
    }
    const ssls = changed.get('ssls') ?? new Set();
    this.#updateCertificates(ssls);
    this.#updateUpstreams(changed.get('upstreams') ?? new Set(), ssls);
    this.#updateRoutes(this.#routesToCompile(changed, anew));

    const disposals = this.#prepared.retire(
      this.#items.takeGone(),
      (item) => this.#items.has(item),
      this.#inUse(),
    );
    const table = this.#table;
    return {
      snapshot: {
        revision: update.revision,
        match: (request) => table.match(request),
        globalRules: this.#globalRules,
        consumers: this.#consumers,
        upstreams: this.#upstreams,
        certificates: this.#certificates.table,
      },
      disposals,
      failures: [...this.#failures.values()],
    };
  }

  /** Runs it; a failure is noted and what was there before stays. */
  #attempt<T>(kind: ResourceKind, id: string, former: T | undefined, run: () => T): T | undefined {
    const key = `${kind}/${id}`;
    this.#failures.delete(key);
    try {
      return run();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#failures.set(key, { kind, id, reason, keepsOlderVersion: former !== undefined });
      this.#options.log.error(`failed to compile /${key}: ${reason}`);
      return former;
    }
  }

  #updateGlobalRules(): void {
    const former = this.#globalRules;
    this.#globalRules =
      this.#attempt('global_rules', '*', former, () => this.#compileGlobalRules()) ?? former;
  }

  /** A plugin that stands in two global rules runs in none, as in APISIX. */
  #compileGlobalRules(): PluginChain {
    const confs = new Map<string, PlacedConf>();
    const seen = new Set<string>();
    for (const item of this.#items.all('global_rules')) {
      for (const [name, conf] of Object.entries(item.value.plugins)) {
        if (seen.has(name)) {
          this.#options.log.error(
            `Found ${name} configured across different global rules. ` +
              'Removing it from execution list',
          );
          confs.delete(name);
        } else {
          confs.set(name, { conf, item });
        }
        seen.add(name);
      }
    }
    return makeChain(this.#prepared.all(confs));
  }

  #updateCertificates(ids: ReadonlySet<string>): void {
    for (const id of ids) this.#failures.delete(`ssls/${id}`);
    this.#certificates.update(ids, this.#items, (id, former, compile) =>
      this.#attempt('ssls', id, former, compile),
    );
  }

  #updateUpstreams(changed: ReadonlySet<string>, ssls: ReadonlySet<string>): void {
    const showing = ssls.size === 0 ? [] : upstreamsShowing(this.#items.all('upstreams'), ssls);
    const ids = new Set([...changed, ...showing]);
    if (ids.size === 0) return;
    const upstreams = new Map(this.#upstreams);
    for (const id of ids) {
      const item = this.#items.get('upstreams', id);
      const compiled =
        item &&
        this.#attempt('upstreams', id, upstreams.get(id), () =>
          this.#certificates.compileUpstream(item.value, id),
        );
      if (item === undefined) this.#failures.delete(`upstreams/${id}`);
      if (compiled === undefined) upstreams.delete(id);
      else upstreams.set(id, compiled);
    }
    this.#upstreams = upstreams;
  }

  #routesToCompile(changed: ChangedIds, anew: boolean): ReadonlySet<string> {
    const ids = new Set(changed.get('routes'));
    const services = changed.get('services');
    const pluginConfigs = changed.get('plugin_configs');
    const ssls = changed.get('ssls');
    if (!anew && services === undefined && pluginConfigs === undefined && ssls === undefined) {
      return ids;
    }
    const refersTo = ({ service_id, plugin_config_id, upstream }: RouteResource): boolean =>
      services?.has(String(service_id)) === true ||
      pluginConfigs?.has(String(plugin_config_id)) === true ||
      (ssls !== undefined &&
        (showsCertificate(upstream, ssls) ||
          showsCertificate(this.#items.get('services', service_id)?.value.upstream, ssls)));
    for (const { id, value } of this.#items.all('routes')) {
      if (anew || refersTo(value)) ids.add(id);
    }
    return ids;
  }

  #updateRoutes(ids: ReadonlySet<string>): void {
    const around = {
      items: this.#items,
      prepared: this.#prepared,
      certificates: this.#certificates,
      routerMode: this.#options.routerMode,
      layersOf: (consumer: ConsumerMatch) => this.#layers.get(consumer),
    };
    const changes: RouteChange<CompiledRoute>[] = [];
    for (const id of ids) {
      const item = this.#items.get('routes', id);
      const former = this.#routes.get(id);
      let route: RouteOfItems | undefined;
      if (item === undefined) this.#failures.delete(`routes/${id}`);
      else route = this.#attempt('routes', id, former, () => compileRoute(item, around));
      if (route === undefined) this.#routes.delete(id);
      else this.#routes.set(id, route);
      changes.push({ before: candidatesIn(former), after: candidatesIn(route) });
    }
    this.#table = this.#table.with(changes);
  }

  /** Prepared from items that are gone, and still served because the newer version failed. */
  #inUse(): ReadonlySet<PreparedPlugin> {
    const inUse = new Set(this.#globalRules.plugins);
    for (const { id } of this.#failures.values()) {
      for (const plugin of this.#routes.get(id)?.chain.plugins ?? []) inUse.add(plugin);
    }
    return inUse;
  }
}
