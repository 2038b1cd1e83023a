import { isIP } from 'node:net';
import type {
  PluginConfs,
  RouteResource,
  ServiceResource,
  UpstreamNode,
  UpstreamResource,
} from '@polygate/model';
import type { ConfigItem } from '../config/config-item.ts';
import type { ConfigSource } from './control-view.ts';

/** Of these three kinds, any field. */
type ShownValue = Partial<RouteResource & ServiceResource & UpstreamResource> & {
  readonly plugins?: PluginConfs;
};

/**
 * A route, service or upstream as APISIX holds it in memory, which is what its Control API shows:
 * nodes are a list, hosts lower case, and an upstream says whose it is. Sources: `filter` in
 * apisix/router.lua and apisix/http/service.lua, `filter_upstream` in apisix/upstream.lua.
 */
export function showItem(item: ConfigItem, source: ConfigSource): object {
  const { kind, id, createdIndex, modifiedIndex } = item;
  const key = keyOf(item, source);
  const value = item.value as ShownValue;
  const upstream = kind === 'upstreams' ? (value as UpstreamResource) : value.upstream;
  const hasName = upstream !== undefined && listNodes(upstream).some(({ host }) => isName(host));
  const show = (one: UpstreamResource): object => showUpstream(one, { item, key, hasName });
  return {
    key,
    value: {
      ...(kind === 'upstreams' ? show(value) : showHolder(value, show)),
      id,
    },
    ...(source.hasCreatedIndex && { createdIndex }),
    modifiedIndex,
    ...(kind === 'routes' && { orig_modifiedIndex: modifiedIndex }),
    has_domain: hasName,
  };
}

/** `/apisix/routes/1` */
export function keyOf({ kind, id }: ConfigItem, { keyPrefix }: ConfigSource): string {
  return `${keyPrefix}/${kind}/${id}`;
}

/** A route or service. */
function showHolder(value: ShownValue, show: (upstream: UpstreamResource) => object): object {
  const { host, hosts, plugins, upstream } = value;
  return {
    ...value,
    ...(host !== undefined && { host: host.toLowerCase() }),
    ...(hosts !== undefined && { hosts: hosts.map((one) => one.toLowerCase()) }),
    ...(plugins !== undefined && { plugins: withMeta(plugins) }),
    ...(upstream !== undefined && { upstream: show(upstream) }),
  };
}

function withMeta(plugins: PluginConfs): object {
  const confs = Object.entries(plugins).map(([name, conf]) => [name, { _meta: {}, ...conf }]);
  return Object.fromEntries(confs) as object;
}

function showUpstream(
  upstream: UpstreamResource,
  { item, key, hasName }: { item: ConfigItem; key: string; hasName: boolean },
): object {
  const nodes = upstream.nodes === undefined ? undefined : listNodes(upstream);
  return {
    ...upstream,
    ...(nodes !== undefined && { nodes, ...(hasName && { dns_nodes: nodes }) }),
    resource_key: key,
    resource_version: item.modifiedIndex,
    resource_id: item.id,
  };
}

function listNodes({ nodes = [] }: UpstreamResource): readonly UpstreamNode[] {
  const isList = (value: typeof nodes): value is readonly UpstreamNode[] => Array.isArray(value);
  if (isList(nodes)) return nodes;
  return Object.entries(nodes).map(([address, weight]) => {
    const [, host = address, port] = /^(.*?)(?::(\d+))?$/.exec(address) ?? [];
    return { host, port: Number(port ?? 80), weight };
  });
}

function isName(host: string): boolean {
  return isIP(host.startsWith('[') ? host.slice(1, -1) : host) === 0;
}
