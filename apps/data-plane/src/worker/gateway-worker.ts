import { startTelemetry } from '@polygate/chassis';
import type { GatewayConfig } from '@polygate/chassis';
import { IpSet } from '@polygate/model';
import { loadPlugins } from '@polygate/plugins';
import type { ConfigUpdate } from '../config/config-item.ts';
import { SnapshotBuilder } from '../config/snapshot-builder.ts';
import type { CompileFailure } from '../config/snapshot-builder.ts';
import { SnapshotHolder } from '../config/snapshot-holder.ts';
import { WorkerTraffic } from '../metrics/gateway-metrics.ts';
import { metricPrefix } from '../metrics/exporter-settings.ts';
import type { MetricSnapshot } from '../metrics/metric-snapshot.ts';
import { WorkerMetrics } from '../metrics/worker-metrics.ts';
import { createFindClient } from '../request/real-ip.ts';
import { createExternalPlugins } from '../runner/external-plugins.ts';
import { connectRunnerManager } from '../runner/runner-client.ts';
import type { Gateway } from '../server/gateway.ts';
import type { GatewayListeners } from '../server/listeners.ts';
import { Deadlines } from '../sockets/deadlines.ts';
import { SharedCounters } from '../state/shared-counters.ts';
import { createTransport, startEngine } from './engine.ts';
import { builderTls, clientBodyLimit } from './engine-settings.ts';
import type { WorkerStart } from './messages.ts';
import { requestTracer, traceContextOf } from './request-tracer.ts';
import { openWorkerLogs } from './worker-logs.ts';

/** Everything one worker thread has. */
export interface GatewayWorker {
  /** Applies it as a whole. Rejects, with nothing changed, when the plugins cannot be loaded. */
  apply(update: ConfigUpdate): Promise<readonly CompileFailure[]>;
  listen(): Promise<GatewayListeners['listen']>;
  metrics(): MetricSnapshot;
  setDebugMode(on: boolean): void;
  reopenLogs(): void;
  stop(graceMs: number): Promise<void>;
}

export async function createGatewayWorker(start: WorkerStart): Promise<GatewayWorker> {
  const { config } = start;
  const logs = openWorkerLogs(start);
  const { log, accessLog } = logs;
  const telemetry = await startTelemetry(config.polygate.telemetry, 'data-plane', log);
  const { runnerManager } = config.polygate;
  const runner = connectRunnerManager({
    address: runnerManager.address,
    log,
    callTimeoutMs: runnerManager.callTimeoutMs,
    callsInFlightMax: runnerManager.inFlightMax,
    connectWaitMs: runnerManager.connectTimeoutMs,
  });
  const metrics = new WorkerMetrics();
  const traffic = new WorkerTraffic(metrics, metricPrefix(config));
  const deadlines = new Deadlines();
  const transport = createTransport(config, deadlines);
  const holder = new SnapshotHolder((error) => log.error(`dispose failed: ${String(error)}`));
  const builder = new SnapshotBuilder({
    routerMode: routerMode(config),
    tls: builderTls(config, start.tlsSecrets),
    log,
    environment: {
      shared: new SharedCounters(start.counters),
      metrics,
      external: createExternalPlugins(runner, { traceContext: traceContextOf }),
      httpsPorts: config.ssl.enabled ? config.ssl.listen.map(({ port }) => port) : [],
      logFor: (plugin) => log.child({ plugin }),
    },
  });
  const gateway: Gateway = {
    ...gatewaySettings(start),
    holder,
    transport,
    traffic,
    log,
    trace: requestTracer(telemetry),
    accessLog,
  };
  let listeners: GatewayListeners | undefined;
  return {
    async apply(update) {
      const names = update.plugins?.names;
      const plugins = names === undefined ? undefined : await loadPlugins(names);
      const { snapshot, disposals, failures } = builder.build(update, plugins);
      holder.publish(snapshot, disposals);
      return failures;
    },
    async listen() {
      listeners = await startEngine(start, gateway, deadlines);
      return listeners.listen;
    },
    metrics() {
      traffic.publish();
      return metrics.snapshot();
    },
    reopenLogs: () => logs.reopen(),
    setDebugMode: (on) => void (gateway.debugMode = on),
    async stop(graceMs) {
      await listeners?.drain(graceMs);
      runner.close();
      transport.close();
      await logs.close();
      await telemetry.shutdown();
    },
  };
}

type GatewaySettings = Omit<
  Gateway,
  'holder' | 'transport' | 'traffic' | 'log' | 'trace' | 'accessLog'
>;

function gatewaySettings({ config, debugMode, version }: WorkerStart): GatewaySettings {
  const { trustedAddresses } = config;
  return {
    productName: config.serverTokens ? `Polygate/${version}` : 'Polygate',
    clientBodyBytesMax: clientBodyLimit(config),
    bodyBytesMax: Math.min(clientBodyLimit(config), config.polygate.limits.bufferedBodyBytesMax),
    responseHoldBytesMax: config.polygate.limits.bufferedBodyBytesMax,
    debugMode,
    showUpstreamStatus: config.showUpstreamStatus,
    deleteTailSlash: config.deleteUriTailSlash,
    trusted: trustedAddresses === undefined ? undefined : new IpSet(trustedAddresses),
    findClient: createFindClient({
      header: config.http.realIpHeader,
      recursive: config.http.realIpRecursive,
      from: config.http.realIpFrom,
    }),
  };
}

function routerMode(config: GatewayConfig): 'radixtree_host_uri' | 'radixtree_uri' {
  if (config.routerHttp !== 'radixtree_uri_with_parameter') return config.routerHttp;
  throw new Error('apisix.router.http: radixtree_uri_with_parameter is not built yet');
}
