import { compileExpression, IpSet } from '@polygate/model';
import type { RouteResource, ServiceResource } from '@polygate/model';
import type { ConsumerMatch } from '@polygate/plugin-sdk';
import { makeChain } from '../pipeline/plugin-chain.ts';
import type { PluginChain } from '../pipeline/plugin-chain.ts';
import type { HostedCandidate, RouterMode } from '../routing/route-table.ts';
import { compileUpstream, timeoutsMs } from '../upstream/compiled-upstream.ts';
import type { CompiledRoute } from './config-snapshot.ts';
import type { ConsumerLayers } from './consumer-index.ts';
import type { ItemOf, ItemStore } from './item-store.ts';
import { placeConfs } from './prepared-plugins.ts';
import type { PlacedConf, PreparedPlugins } from './prepared-plugins.ts';

export interface RouteEntry {
  readonly compiled: CompiledRoute;
  readonly candidates: readonly HostedCandidate<CompiledRoute>[];
}

/** What a route is compiled with. */
export interface RouteSurroundings {
  readonly items: ItemStore;
  readonly prepared: PreparedPlugins;
  readonly routerMode: RouterMode;
  readonly layersOf: (consumer: ConsumerMatch) => ConsumerLayers | undefined;
}

/** Merges service, plugin config and route. Throws what a plugin's `prepare` throws. */
export function compileRoute(item: ItemOf<'routes'>, around: RouteSurroundings): RouteEntry {
  const { items, prepared } = around;
  const route = item.value;
  const service = items.get('services', route.service_id);
  const pluginConfig = items.get('plugin_configs', route.plugin_config_id);

  const confs = placeConfs([service, pluginConfig, item]);
  const chain = makeChain(prepared.all(confs));
  const ownUpstream = route.upstream !== undefined || route.upstream_id !== undefined;
  const from = ownUpstream ? route : service?.value;
  const upstream =
    from?.upstream_id === undefined && from?.upstream !== undefined
      ? compileUpstream(from.upstream, undefined)
      : undefined;
  const compiled: CompiledRoute = {
    id: item.id,
    name: route.name,
    serviceId: service?.id,
    serviceName: service?.value.name,
    labels: route.labels ?? service?.value.labels,
    failure: missingReference(route, service, pluginConfig),
    chain,
    upstream,
    upstreamId: from?.upstream_id === undefined ? undefined : String(from.upstream_id),
    timeoutsMs: route.timeout === undefined ? undefined : timeoutsMs(route.timeout),
    globalRulesFor: memoised((globalRules) => withoutPreferringRoute(globalRules, chain)),
    chainFor: memoised((consumer) => chainForConsumer(consumer, confs, chain, around)),
  };
  return { compiled, candidates: candidatesOf(item, service?.value, compiled, around.routerMode) };
}

/** Keys are made anew when what they stand for changes, so an answer is good as long as its key. */
function memoised<K extends object, V>(compute: (key: K) => V): (key: K) => V {
  const memo = new WeakMap<K, { readonly value: V }>();
  return (key) => {
    const known = memo.get(key);
    if (known !== undefined) return known.value;
    const value = compute(key);
    memo.set(key, { value });
    return value;
  };
}

function chainForConsumer(
  consumer: ConsumerMatch,
  routeConfs: ReadonlyMap<string, PlacedConf>,
  routeChain: PluginChain,
  { layersOf, prepared }: RouteSurroundings,
): PluginChain | undefined {
  const layers = layersOf(consumer);
  if (layers === undefined || (consumer.groupId !== undefined && layers.group === undefined)) {
    return undefined;
  }
  const confs = placeConfs([layers.group, layers.consumer], routeConfs);
  if ([...confs].every(([name, placed]) => routeConfs.get(name) === placed)) return routeChain;
  const plugins = prepared.all(confs);
  return makeChain(plugins, new Set(plugins.filter(({ name }) => !routeConfs.has(name))));
}

/** A plugin with `run_policy` `prefer_route` leaves the field to the route's own. */
function withoutPreferringRoute(globalRules: PluginChain, route: PluginChain): PluginChain {
  const names = new Set(route.plugins.map(({ name }) => name));
  const kept = globalRules.plugins.filter(
    ({ name, runPolicy }) => runPolicy !== 'prefer_route' || !names.has(name),
  );
  return kept.length === globalRules.plugins.length ? globalRules : makeChain(kept);
}

function missingReference(
  route: RouteResource,
  service: object | undefined,
  pluginConfig: object | undefined,
): CompiledRoute['failure'] {
  if (route.plugin_config_id !== undefined && pluginConfig === undefined) {
    return {
      status: 503,
      reason: `failed to fetch plugin config by id: ${route.plugin_config_id}`,
    };
  }
  if (route.service_id !== undefined && service === undefined) {
    return {
      status: 404,
      reason: `failed to fetch service configuration by id: ${route.service_id}`,
    };
  }
  return undefined;
}

function candidatesOf(
  item: ItemOf<'routes'>,
  service: ServiceResource | undefined,
  target: CompiledRoute,
  routerMode: RouterMode,
): readonly HostedCandidate<CompiledRoute>[] {
  const route = item.value;
  if (route.status === 0) return [];
  const own = route.hosts ?? (route.host === undefined ? undefined : [route.host]);
  const hosts = (own ?? service?.hosts)?.map((host) => host.toLowerCase());
  const grouped = routerMode === 'radixtree_host_uri';
  const addresses =
    route.remote_addrs ?? (route.remote_addr === undefined ? undefined : [route.remote_addr]);
  const common = {
    target,
    id: item.id,
    priority: route.priority ?? 0,
    createdIndex: item.createdIndex,
    methods: route.methods === undefined ? undefined : new Set(route.methods),
    clients: addresses === undefined ? undefined : new IpSet(addresses),
    hosts: grouped ? undefined : hosts,
    condition: route.vars === undefined ? undefined : compileExpression(route.vars),
  };
  const patterns = route.uris ?? (route.uri === undefined ? [] : [route.uri]);
  const groups = grouped && hosts !== undefined ? hosts : [undefined];
  return groups.flatMap((host) =>
    patterns.map((pattern) => ({ host, candidate: { ...common, pattern } })),
  );
}
