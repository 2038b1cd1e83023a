import { hostname } from 'node:os';
import type { GatewayConfig } from '@polygate/chassis';
import type { ResourceKind } from '@polygate/model';
import { metricPrefix } from './exporter-settings.ts';
import { processMetrics } from './gateway-metrics.ts';
import type { ProcessMetrics, StoreGuardReport } from './gateway-metrics.ts';
import type { MetricSnapshot } from './metric-snapshot.ts';
import { WorkerMetrics } from './worker-metrics.ts';

export interface NodeStatus {
  /** `/apisix/upstreams/1` */
  readonly name: string;
  readonly ip: string;
  readonly port: number;
  readonly healthy: boolean;
}

export interface StoreStatus {
  readonly isReachable: boolean;
  readonly revision: number;
  /** The newest of each kind that is served. */
  readonly newestRevisions: ReadonlyMap<ResourceKind, number>;
}

/** APISIX's keys: etcd_modify_index of apisix/plugins/prometheus/exporter.lua. */
const INDEXED_KINDS: readonly ResourceKind[] = [
  ...(['routes', 'services', 'ssls', 'consumers', 'global_rules'] as const),
  ...(['upstreams', 'stream_routes', 'protos'] as const),
];

/** What the main thread knows, of now. */
export function processSnapshot(
  config: GatewayConfig,
  known: {
    readonly version: string;
    /** Undefined: the configuration is a file, and nothing is told of a store. */
    readonly store: StoreStatus | undefined;
    readonly guard: StoreGuardReport;
    /** What health checks say. */
    readonly nodes: readonly NodeStatus[];
  },
): MetricSnapshot {
  const registry = new WorkerMetrics();
  const metrics = processMetrics(registry, metricPrefix(config));
  metrics.nodeInfo(hostname(), known.version);
  if (known.store !== undefined) tellStore(metrics, known.store);
  metrics.storeGuard(known.guard);
  for (const node of known.nodes) metrics.upstreamStatus(node, node.healthy);
  return registry.snapshot();
}

function tellStore(
  metrics: ProcessMetrics,
  { isReachable, revision, newestRevisions }: StoreStatus,
): void {
  metrics.etcdReachable(isReachable);
  for (const kind of INDEXED_KINDS) metrics.etcdModifyIndex(kind, newestRevisions.get(kind) ?? 0);
  metrics.etcdModifyIndex('prev_index', newestRevisions.get('global_rules') ?? 0);
  const newest = INDEXED_KINDS.map((kind) => newestRevisions.get(kind) ?? 0);
  metrics.etcdModifyIndex('max_modify_index', Math.max(...newest));
  metrics.etcdModifyIndex('x_etcd_index', revision);
}
