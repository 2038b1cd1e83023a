import { hostname } from 'node:os';
import type { GatewayConfig } from '@polygate/chassis';
import { metricPrefix } from './exporter-settings.ts';
import { processMetrics } from './gateway-metrics.ts';
import type { StoreGuardReport } from './gateway-metrics.ts';
import type { MetricSnapshot } from './metric-snapshot.ts';
import { WorkerMetrics } from './worker-metrics.ts';

export interface NodeStatus {
  /** `/apisix/upstreams/1` */
  readonly name: string;
  readonly ip: string;
  readonly port: number;
  readonly healthy: boolean;
}

/** What the main thread knows, of now. */
export function processSnapshot(
  config: GatewayConfig,
  known: {
    readonly version: string;
    readonly isStoreReachable: boolean;
    readonly revision: number;
    readonly guard: StoreGuardReport;
    /** What health checks say. */
    readonly nodes: readonly NodeStatus[];
  },
): MetricSnapshot {
  const registry = new WorkerMetrics();
  const metrics = processMetrics(registry, metricPrefix(config));
  metrics.nodeInfo(hostname(), known.version);
  metrics.etcdReachable(known.isStoreReachable);
  metrics.etcdModifyIndex('x_etcd_index', known.revision);
  metrics.storeGuard(known.guard);
  for (const node of known.nodes) metrics.upstreamStatus(node, node.healthy);
  return registry.snapshot();
}
