import { IpSet } from '@polygate/model';
import type { RouteResource, ServiceResource, UpstreamResource } from '@polygate/model';
import { EMPTY_CHAIN, makeChain } from '../pipeline/plugin-chain.ts';
import { compileCondition } from '../routing/compile-condition.ts';
import { compileParameters } from '../routing/path-parameters.ts';
import type { RareConditions, RouteCandidate } from '../routing/route-request.ts';
import type { RouterMode } from '../routing/route-table.ts';
import { timeoutsMs } from '../upstream/compiled-upstream.ts';
import type { CompiledCertificates } from './compiled-certificates.ts';
import type { CompiledRoute } from './config-snapshot.ts';
import type { ItemOf, ItemStore } from './item-store.ts';
import { placeConfs } from './prepared-plugins.ts';
import type { PlacedConf } from './prepared-plugins.ts';
import { RouteOfItems } from './route-of-items.ts';
import type { AskedSurroundings, RouteFacts } from './route-of-items.ts';

/** What a route is compiled with. */
export interface RouteSurroundings extends AskedSurroundings {
  readonly items: ItemStore;
  readonly certificates: CompiledCertificates;
  readonly routerMode: RouterMode;
}

/** One for all routes without plugins. */
const NO_CONFS: ReadonlyMap<string, PlacedConf> = new Map();
/** One for all routes that name the same methods: there are few such lists. */
const METHOD_SETS_MAX = 64;
const methodSets = new Map<string, ReadonlySet<string>>();

/** Merges service, plugin config and route. Throws what a plugin's `prepare` throws. */
export function compileRoute(item: ItemOf<'routes'>, around: RouteSurroundings): RouteOfItems {
  const { items, prepared } = around;
  const route = item.value;
  const [service, pluginConfig] = layersOfRoute(item, items);

  const placed = placeConfs([service, pluginConfig, item]);
  const confs = placed.size === 0 ? NO_CONFS : placed;
  const plugins = prepared.all(confs);
  const chain = plugins.length === 0 ? EMPTY_CHAIN : makeChain(plugins);
  const ownUpstream = route.upstream !== undefined || route.upstream_id !== undefined;
  const from = ownUpstream ? route : service?.value;
  const written = from?.upstream_id === undefined ? from?.upstream : undefined;
  const owner = ownUpstream ? `routes/${item.id}` : `services/${service?.id ?? ''}`;
  const upstream: RouteFacts['upstream'] =
    written !== undefined && mayWait(written)
      ? 'late'
      : written && around.certificates.compileUpstream(written, undefined, owner);
  const facts = {
    id: item.id,
    name: route.name,
    serviceId: service?.id,
    serviceName: service?.value.name,
    labels: route.labels ?? service?.value.labels,
    failure: missingReference(route, service, pluginConfig),
    resource: route as unknown as Readonly<Record<string, unknown>>,
    serviceResource: service?.value as Readonly<Record<string, unknown>> | undefined,
    chain,
    upstream,
    upstreamId: from?.upstream_id === undefined ? undefined : String(from.upstream_id),
    enableWebsocket: route.enable_websocket ?? service?.value.enable_websocket ?? false,
    timeoutsMs: route.timeout === undefined ? undefined : timeoutsMs(route.timeout),
  };
  const compiled = new RouteOfItems(facts, confs, around);
  if (route.status !== 0) {
    const candidates = candidatesOf(item, service?.value, compiled, around.routerMode);
    compiled.candidates = candidates.length === 1 ? candidates[0] : candidates;
  }
  return compiled;
}

/** The objects that a route's plugins come from; each overrules the one before. */
export function layersOfRoute(
  item: ItemOf<'routes'>,
  items: ItemStore,
): readonly [
  ItemOf<'services'> | undefined,
  ItemOf<'plugin_configs'> | undefined,
  ItemOf<'routes'>,
] {
  const { service_id: serviceId, plugin_config_id: pluginConfigId } = item.value;
  return [items.get('services', serviceId), items.get('plugin_configs', pluginConfigId), item];
}

/**
 * Nothing can be wrong with it, and nobody checks its health: it is compiled with its first request. Of
 * very many routes with upstreams of their own a worker then keeps only those that are used.
 */
function mayWait({ type, scheme, checks, tls, service_name: name }: UpstreamResource): boolean {
  const isPlain = (type ?? 'roundrobin') === 'roundrobin' && (scheme ?? 'http') === 'http';
  return isPlain && checks === undefined && tls === undefined && name === undefined;
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

/** Whatever the route's `status` is. */
export function candidatesOf(
  item: ItemOf<'routes'>,
  service: ServiceResource | undefined,
  target: CompiledRoute,
  routerMode: RouterMode,
): readonly RouteCandidate<CompiledRoute>[] {
  const route = item.value;
  const own = route.hosts ?? (route.host === undefined ? undefined : [route.host]);
  const hosts = (own ?? service?.hosts)?.map((host) => host.toLowerCase());
  const grouped = routerMode === 'radixtree_host_uri';
  const addresses =
    route.remote_addrs ?? (route.remote_addr === undefined ? undefined : [route.remote_addr]);
  const methods = route.methods === undefined ? undefined : methodSet(route.methods);
  const rare = {
    clients: addresses === undefined ? undefined : new IpSet(addresses),
    hosts: grouped ? undefined : hosts,
    condition: route.vars === undefined ? undefined : compileCondition(route.vars),
  };
  const patterns = route.uris ?? (route.uri === undefined ? [] : [route.uri]);
  const groups = grouped && hosts !== undefined ? hosts : [undefined];
  const withColons = routerMode === 'radixtree_uri_with_parameter';
  return groups.flatMap((host) =>
    patterns.map((pattern) => ({
      // field by field: what spreading makes takes more memory
      target,
      pattern,
      methods,
      conditions: rareConditions({ ...rare, parameters: compileParameters(pattern, withColons) }),
      host,
      priority: route.priority ?? 0,
      createdIndex: item.createdIndex,
      id: item.id,
    })),
  );
}

function rareConditions(conditions: RareConditions): RareConditions | undefined {
  const { parameters, clients, hosts, condition } = conditions;
  const hasAny = parameters ?? clients ?? hosts ?? condition;
  return hasAny === undefined ? undefined : { parameters, clients, hosts, condition };
}

function methodSet(methods: readonly string[]): ReadonlySet<string> {
  const key = methods.join();
  const known = methodSets.get(key);
  if (known !== undefined) return known;
  const made = new Set(methods);
  if (methodSets.size < METHOD_SETS_MAX) methodSets.set(key, made);
  return made;
}
