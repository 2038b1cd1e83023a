import type { Gauge, MetricRegistry } from '@polygate/plugin-sdk';
import { TrafficCounts } from './traffic-counts.ts';

// Metrics that belong to no plugin's conf. Source: http_init and collect of
// apisix/plugins/prometheus/exporter.lua; names and help texts are APISIX's, so that its dashboards
// work. What only OpenResty has (shared dictionaries) is left out.

/**
 * What one worker's sockets and requests are about. Counting is adding to a field; `publish` writes
 * the fields to the registry and is to be called before a snapshot is taken.
 */
export class WorkerTraffic {
  readonly #counts: TrafficCounts;
  readonly #requestsGauge: Gauge;
  readonly #connectionsGauge: Gauge;

  /** `counts`: this worker's among those of all; default: alone. */
  constructor(registry: MetricRegistry, prefix = 'apisix_', counts = TrafficCounts.alone()) {
    this.#counts = counts;
    this.#connectionsGauge = registry.gauge(
      `${prefix}nginx_http_current_connections`,
      'Number of HTTP connections',
      ['state'],
    );
    this.#requestsGauge = registry.gauge(
      `${prefix}http_requests_total`,
      'The total number of client requests since APISIX started',
      [],
    );
  }

  connectionOpened(): void {
    this.#counts.add('accepted', 1);
    this.#counts.add('active', 1);
  }

  connectionClosed(): void {
    this.#counts.add('active', -1);
  }

  requestStarted(): void {
    this.#counts.add('requests', 1);
    this.#counts.add('underWay', 1);
  }

  requestEnded(): void {
    this.#counts.add('underWay', -1);
  }

  publish(): void {
    const { total, ...states } = this.#counts.own();
    this.#requestsGauge.set([], total);
    for (const [state, count] of Object.entries(states)) {
      this.#connectionsGauge.set([state], count);
    }
  }
}

export interface StoreGuardReport {
  readonly repairs: number;
  readonly lastCheckMs: number | undefined;
  readonly isStale: boolean;
}

/** What the process knows. In one registry only: the exposition adds workers up. */
export interface ProcessMetrics {
  nodeInfo(hostname: string, version: string): void;
  /** Whether the config store answers. */
  etcdReachable(reachable: boolean): void;
  /** How the configuration compares with the store. Polygate's own: APISIX has none of it. */
  storeGuard(report: StoreGuardReport): void;
  /** Newest store revision of a kind (`routes`), or `max_modify_index` and `x_etcd_index`. */
  etcdModifyIndex(key: string, index: number): void;
  /** What the health check says of a node. `name` as `/apisix/upstreams/1`. */
  upstreamStatus(node: { name: string; ip: string; port: number }, healthy: boolean): void;
}

export function processMetrics(registry: MetricRegistry, prefix = 'apisix_'): ProcessMetrics {
  const node = registry.gauge(`${prefix}node_info`, 'Info of APISIX node', ['hostname', 'version']);
  const reachable = registry.gauge(
    `${prefix}etcd_reachable`,
    'Config server etcd reachable from APISIX, 0 is unreachable',
    [],
  );
  const modifyIndexes = registry.gauge(
    `${prefix}etcd_modify_indexes`,
    'Etcd modify index for APISIX keys',
    ['key'],
  );
  const upstreams = registry.gauge(
    `${prefix}upstream_status`,
    'Upstream status from health check',
    ['name', 'ip', 'port'],
  );
  const repairs = registry.gauge(
    `${prefix}polygate_config_repairs_total`,
    'Items that differed from the store and were put right',
    [],
  );
  const lastCheck = registry.gauge(
    `${prefix}polygate_config_last_check_timestamp_seconds`,
    'When the configuration was last compared with the store',
    [],
  );
  const stale = registry.gauge(
    `${prefix}polygate_config_stale`,
    'Whether the last good configuration on disk is served, for want of the store',
    [],
  );
  return {
    storeGuard: ({ repairs: count, lastCheckMs, isStale }) => {
      repairs.set([], count);
      if (lastCheckMs !== undefined) lastCheck.set([], Math.floor(lastCheckMs / 1000));
      stale.set([], isStale ? 1 : 0);
    },
    nodeInfo: (hostname, version) => node.set([hostname, version], 1),
    etcdReachable: (answers) => reachable.set([], answers ? 1 : 0),
    etcdModifyIndex: (key, index) => modifyIndexes.set([key], index),
    upstreamStatus: ({ name, ip, port }, healthy) =>
      upstreams.set([name, ip, String(port)], healthy ? 1 : 0),
  };
}
