import type { SecureContext } from 'node:tls';
import type { Timeout, UpstreamNode, UpstreamResource } from '@polygate/model';
import type { Balancer } from './balancer/balancer.ts';
import { balancerProblem, createBalancer } from './balancer/create-balancer.ts';
import { allocateLoads, NodeLoads } from './balancer/node-loads.ts';
import { DiscoveredUpstream, unknownService } from './discovered-upstream.ts';
import type { ServiceNodes } from './discovered-upstream.ts';
import type { UpstreamHealth } from './upstream-health.ts';

export interface CompiledNode {
  /** Address or name; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly weight: number;
  readonly priority: number;
  /** `host:port` as in variables and logs. */
  readonly label: string;
  /** Host header where `pass_host` is `node`. */
  readonly hostHeader: string;
}

export interface TimeoutsMs {
  readonly connect: number;
  readonly send: number;
  readonly read: number;
}

export interface CompiledUpstream {
  readonly id: string | undefined;
  readonly scheme: string;
  readonly nodes: readonly CompiledNode[];
  readonly balancer: Balancer;
  /** Undefined: it has no checks, or they are switched off. */
  readonly health?: UpstreamHealth | undefined;
  readonly passHost: 'pass' | 'node' | 'rewrite';
  readonly upstreamHost: string | undefined;
  /** Further tries after the first. */
  readonly retriesMax: number;
  /** 0: no limit. */
  readonly retryTimeoutMs: number;
  readonly timeoutsMs: TimeoutsMs | undefined;
  /** `keepalive_pool`; undefined: what the configuration file says. */
  readonly keepalive: KeepaliveSettings | undefined;
  /** How nodes of https and grpcs are spoken to; undefined where the scheme has no TLS. */
  readonly tls?: UpstreamTls | undefined;
  /** Why it cannot be used, for the log: to be answered with 502 before a node is looked for. */
  readonly problem?: string;
  /** Where its nodes come from, when a registry has them: it has none itself then. */
  readonly discovered?: DiscoveredUpstream | undefined;
  /** Why it has no nodes, for the log: in the place of APISIX's `no valid upstream node`. */
  readonly whyNoNode?: string;
}

export interface UpstreamTls {
  /** Connections of one identity may be shared. */
  readonly identity: string;
  readonly secureContext: SecureContext | undefined;
  /** Whether a node must show a certificate for its server name from a trusted authority. */
  readonly verify: boolean;
}

/** How many connections wait for requests, and for how long. */
export interface KeepaliveSettings {
  /** Idle connections kept, per worker. */
  readonly size: number;
  /** Infinity: until the node closes them. */
  readonly idleTimeoutMs: number;
  /** Requests after which a connection is closed. */
  readonly requestsMax: number;
}

/** nginx's proxy_*_timeout. */
export const DEFAULT_TIMEOUTS_MS: TimeoutsMs = { connect: 60_000, send: 60_000, read: 60_000 };

/** What upstreams share with others, and with their own former versions. */
export interface UpstreamSurroundings {
  readonly loads: NodeLoads;
  /** `key` as in `compileUpstream`. */
  healthOf(key: string, resource: UpstreamResource): UpstreamHealth | undefined;
  /** Of a resource with a `service_name`. Left out: no registry is known. */
  serviceOf?(resource: UpstreamResource): ServiceNodes;
}

export interface UpstreamPlace {
  /**
   * Whose upstream it is, whatever its version: `upstreams/1`, or `routes/1` for one that a route has
   * in itself.
   */
  readonly key: string;
  readonly around: UpstreamSurroundings;
  /** See CompileUpstreamOptions of the plugin SDK. */
  readonly hostWithoutPort?: boolean;
}

const OWN_LOADS = 256;

/** Of an upstream whose load and health concern nobody else. */
export function standingAlone(): UpstreamSurroundings {
  return { loads: new NodeLoads(allocateLoads(OWN_LOADS, 1), 0), healthOf: () => undefined };
}

/** `resource` is validated and has its defaults. */
export function compileUpstream(
  resource: UpstreamResource,
  id: string | undefined,
  place: UpstreamPlace = { key: `upstreams/${id ?? ''}`, around: standingAlone() },
): CompiledUpstream {
  if (resource.service_name === undefined) return compileWithNodes(resource, id, place);
  const compile = (nodes: readonly UpstreamNode[]): CompiledUpstream =>
    compileWithNodes({ ...resource, nodes }, id, place);
  const service = place.around.serviceOf?.(resource) ?? unknownService(resource.discovery_type);
  return { ...compile([]), discovered: new DiscoveredUpstream(service, compile) };
}

function compileWithNodes(
  resource: UpstreamResource,
  id: string | undefined,
  { key, around, hostWithoutPort = false }: UpstreamPlace,
): CompiledUpstream {
  const scheme = resource.scheme ?? 'http';
  const nodes = listNodes(resource.nodes, scheme, hostWithoutPort);
  const health = around.healthOf(key, resource);
  const problem = balancerProblem(resource);
  return {
    id,
    scheme,
    nodes,
    balancer: createBalancer(nodes, { resource, key, loads: around.loads, health }),
    health,
    passHost: resource.pass_host ?? 'pass',
    upstreamHost: resource.upstream_host,
    retriesMax: resource.retries ?? Math.max(nodes.length - 1, 0),
    retryTimeoutMs: (resource.retry_timeout ?? 0) * 1000,
    timeoutsMs: resource.timeout === undefined ? undefined : timeoutsMs(resource.timeout),
    keepalive: keepaliveOf(resource.keepalive_pool),
    ...(problem === undefined ? {} : { problem }),
  };
}

function keepaliveOf(pool: UpstreamResource['keepalive_pool']): KeepaliveSettings | undefined {
  if (pool === undefined) return undefined;
  const idleTimeoutMs = (pool.idle_timeout ?? 60) * 1000;
  return {
    size: pool.size ?? 320,
    idleTimeoutMs: idleTimeoutMs === 0 ? Infinity : idleTimeoutMs,
    requestsMax: pool.requests ?? 1000,
  };
}

export function timeoutsMs(timeout: Timeout): TimeoutsMs {
  return {
    connect: timeout.connect * 1000,
    send: timeout.send * 1000,
    read: timeout.read * 1000,
  };
}

/** The nodes as served, in the order of the configuration. */
export function listNodes(
  nodes: UpstreamResource['nodes'],
  scheme: string,
  hostWithoutPort = false,
): readonly CompiledNode[] {
  if (nodes === undefined) return [];
  const isList = (value: typeof nodes): value is readonly UpstreamNode[] => Array.isArray(value);
  const list = isList(nodes)
    ? nodes
    : Object.entries(nodes).map(([address, weight]) => ({ ...splitAddress(address), weight }));
  return list.map((node) => {
    const compiled = compileNode(node, scheme);
    return hostWithoutPort ? { ...compiled, hostHeader: shownHost(compiled.host) } : compiled;
  });
}

function shownHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function compileNode(node: UpstreamNode, scheme: string): CompiledNode {
  const defaultPort = scheme === 'https' || scheme === 'grpcs' ? 443 : 80;
  // A list may have the port in the host, too: the schema lets it in, and APISIX takes it.
  const named = node.port === undefined ? splitAddress(node.host) : node;
  const port = named.port ?? defaultPort;
  const host = named.host.startsWith('[') ? named.host.slice(1, -1) : named.host;
  const shown = shownHost(host);
  return {
    host,
    port,
    weight: node.weight,
    priority: node.priority ?? 0,
    label: `${shown}:${port}`,
    hostHeader: port === defaultPort ? shown : `${shown}:${port}`,
  };
}

/** `host`, `host:port`, `[v6]`, `[v6]:port`. */
function splitAddress(address: string): { host: string; port?: number } {
  const colon = address.lastIndexOf(':');
  const isBareIpv6 = !address.startsWith('[') && address.indexOf(':') !== colon;
  if (colon === -1 || address.endsWith(']') || isBareIpv6) return { host: address };
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}
