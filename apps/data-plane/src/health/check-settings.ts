import type { UpstreamResource } from '@polygate/model';
import type { CompiledNode } from '../upstream/compiled-upstream.ts';
import { listNodes } from '../upstream/compiled-upstream.ts';

/** After how many reports in a row of each kind a node changes its state; 0: never. */
export interface HealthLimits {
  readonly successes: number;
  readonly tcpFailures: number;
  readonly httpFailures: number;
  readonly timeouts: number;
  readonly healthyStatuses: ReadonlySet<number>;
  readonly unhealthyStatuses: ReadonlySet<number>;
}

/** How nodes are probed. */
export interface ProbeSettings {
  readonly type: 'http' | 'https' | 'tcp';
  /** For each step of a probe: connecting, handshake, waiting for the answer. */
  readonly timeoutMs: number;
  readonly method: string;
  readonly path: string;
  readonly body: string;
  /** Whole lines, `Name: value`. */
  readonly headers: readonly string[];
  readonly verifyCertificate: boolean;
}

export interface CheckSettings {
  readonly probe: ProbeSettings;
  readonly concurrency: number;
  /** Between probes of nodes that are well; Infinity: they are not probed. */
  readonly healthyIntervalMs: number;
  /** Of those that are ill. */
  readonly unhealthyIntervalMs: number;
  readonly active: HealthLimits;
  readonly passive: HealthLimits;
}

/** What is probed for a node: several nodes are one target where `port` is set. */
export interface Target {
  /** Address or name, IPv6 without brackets. */
  readonly ip: string;
  readonly port: number;
  /** `checks.active.host`, or the address. */
  readonly hostname: string;
  /** Host header and server name. */
  readonly hostHeader: string;
}

interface Block {
  readonly interval?: number;
  readonly http_statuses?: readonly number[];
  readonly successes?: number;
  readonly tcp_failures?: number;
  readonly timeouts?: number;
  readonly http_failures?: number;
}

interface ActiveChecks {
  readonly type?: 'http' | 'https' | 'tcp';
  readonly timeout?: number;
  readonly concurrency?: number;
  readonly host?: string;
  readonly port?: number;
  readonly http_method?: string;
  readonly http_path?: string;
  readonly http_req_body?: string;
  readonly https_verify_certificate?: boolean;
  readonly healthy?: Block;
  readonly unhealthy?: Block;
  readonly req_headers?: readonly string[];
}

/** An upstream's `checks`, validated. */
export interface Checks {
  readonly active?: ActiveChecks;
  readonly passive?: { readonly healthy?: Block; readonly unhealthy?: Block };
}

const ACTIVE_STATUSES = {
  healthy: [200, 302],
  unhealthy: [429, 404, 500, 501, 502, 503, 504, 505],
};
const PASSIVE_STATUSES = {
  healthy: [
    200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308,
  ],
  unhealthy: [429, 500, 503],
};

/**
 * With the defaults of lua-resty-healthcheck, which are not those of the schema where a whole block is
 * missing: nodes are probed only where `healthy` or `unhealthy` is there to say how often.
 */
export function checkSettings({ active = {}, passive = {} }: Checks): CheckSettings {
  return {
    probe: {
      type: active.type ?? 'http',
      timeoutMs: (active.timeout ?? 1) * 1000,
      method: active.http_method ?? 'GET',
      path: active.http_path ?? '/',
      body: active.http_req_body ?? '',
      headers: active.req_headers ?? [],
      verifyCertificate: active.https_verify_certificate ?? true,
    },
    concurrency: Math.max(active.concurrency ?? 10, 1),
    healthyIntervalMs: intervalMs(active.healthy),
    unhealthyIntervalMs: intervalMs(active.unhealthy),
    active: limits(active, { successes: 2, timeouts: 3 }, ACTIVE_STATUSES),
    passive: limits(passive, { successes: 5, timeouts: 7 }, PASSIVE_STATUSES),
  };
}

function intervalMs(block: Block | undefined): number {
  const seconds = block?.interval ?? 0;
  return seconds === 0 ? Infinity : seconds * 1000;
}

function limits(
  { healthy = {}, unhealthy = {} }: { readonly healthy?: Block; readonly unhealthy?: Block },
  otherwise: { successes: number; timeouts: number },
  statuses: { healthy: readonly number[]; unhealthy: readonly number[] },
): HealthLimits {
  return {
    successes: healthy.successes ?? otherwise.successes,
    tcpFailures: unhealthy.tcp_failures ?? 2,
    httpFailures: unhealthy.http_failures ?? 5,
    timeouts: unhealthy.timeouts ?? otherwise.timeouts,
    healthyStatuses: new Set(healthy.http_statuses ?? statuses.healthy),
    unhealthyStatuses: new Set(unhealthy.http_statuses ?? statuses.unhealthy),
  };
}

/** Of `checks`, as in apisix/healthcheck_manager.lua; undefined where the upstream has none. */
export function checksOf(resource: UpstreamResource): Checks | undefined {
  return resource.checks;
}

/** One for each node, in order; those of several nodes may be alike. */
export function targetsOf(resource: UpstreamResource): readonly Target[] {
  return listNodes(resource.nodes, resource.scheme ?? 'http').map((node) =>
    targetOf(node, resource),
  );
}

export function targetOf(node: CompiledNode, resource: UpstreamResource): Target {
  const { host, port } = checksOf(resource)?.active ?? {};
  const pinned = resource.pass_host === 'rewrite' ? resource.upstream_host : undefined;
  const hostname = host ?? node.host;
  const isName = !/^[\d.]+$/.test(node.host) && !node.host.includes(':');
  return {
    ip: node.host,
    port: port ?? node.port,
    hostname,
    // A name is what the node is known by, whatever `host` is.
    hostHeader: pinned ?? (isName ? node.host : hostname),
  };
}

/** By which reports and states of a target are kept. The Host header is no part of it. */
export function targetId({ ip, port, hostname }: Target): string {
  return `${ip}:${port}:${hostname}`;
}
