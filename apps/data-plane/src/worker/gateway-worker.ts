import { startTelemetry } from '@polygate/chassis';
import type { Logger, RunnerConfig } from '@polygate/chassis';
import { IpSet } from '@polygate/model';
import { loadPlugins, logBatches } from '@polygate/plugins';
import type { ErrorLog, PluginEnvironment } from '@polygate/plugin-sdk';
import type { ConfigUpdate, PluginSelection } from '../config/config-item.ts';
import { SnapshotBuilder } from '../config/snapshot-builder.ts';
import type { CompileFailure } from '../config/snapshot-builder.ts';
import { SnapshotHolder } from '../config/snapshot-holder.ts';
import { NameResolver } from '../dns/name-resolver.ts';
import type { ServiceChange, ServiceWishes } from '../discovery/discovery-messages.ts';
import { WorkerServices } from '../discovery/worker-services.ts';
import type { ExplainQuestion } from '../explain/question.ts';
import type { HealthChange, HealthReports } from '../health/health-messages.ts';
import { WorkerHealth } from '../health/worker-health.ts';
import { WorkerTraffic } from '../metrics/gateway-metrics.ts';
import { TrafficCounts } from '../metrics/traffic-counts.ts';
import { metricPrefix } from '../metrics/exporter-settings.ts';
import type { MetricSnapshot } from '../metrics/metric-snapshot.ts';
import { WorkerMetrics } from '../metrics/worker-metrics.ts';
import { createFindClient } from '../request/real-ip.ts';
import type { RunnersReport } from '../runner/runners-report.ts';
import type { Gateway } from '../server/gateway.ts';
import type { GatewayListeners } from '../server/listeners.ts';
import { Deadlines } from '../sockets/deadlines.ts';
import { SharedCacheMemory } from '../state/shared-cache-memory.ts';
import { SharedCounters } from '../state/shared-counters.ts';
import { NodeLoads } from '../upstream/balancer/node-loads.ts';
import { createTransport, startEngine } from './engine.ts';
import { builderTls, clientBodyLimit } from './engine-settings.ts';
import { explainInWorker } from './explain-in-worker.ts';
import type { Explained, WorkerStart } from './messages.ts';
import { requestTracer } from './request-tracer.ts';
import { openRunnerCalls } from './runner-calls.ts';
import type { RunnerCalls } from './runner-calls.ts';
import { openWorkerLogs } from './worker-logs.ts';

/** For what loggers hold, when clients took all of the grace: the main thread waits a second longer. */
const BATCH_DRAIN_MS_MIN = 500;

/** Everything one worker thread has. */
export interface GatewayWorker {
  /** Applies it as a whole. Rejects, with nothing changed, when the plugins cannot be loaded. */
  apply(update: ConfigUpdate): Promise<readonly CompileFailure[]>;
  listen(): Promise<GatewayListeners['listen']>;
  metrics(): MetricSnapshot;
  /** Never throws. */
  explain(question: ExplainQuestion): Explained;
  /** Never rejects. */
  reportRunners(withManagers: boolean): Promise<RunnersReport>;
  /** From now on calls go where these runners have their plugins. */
  takeRunners(runners: readonly RunnerConfig[]): void;
  /** What health checks found out. */
  takeHealth(change: HealthChange): void;
  /** What a registry told of. */
  takeService(change: ServiceChange): void;
  setDebugMode(on: boolean): void;
  reopenLogs(): void;
  stop(graceMs: number): Promise<void>;
}

/** What a worker has from the main thread, and tells it. */
export interface MainThread {
  readonly onHealth: (reports: HealthReports) => void;
  readonly onServices: (wishes: ServiceWishes) => void;
  /** Of the whole process. */
  readonly metricsText: () => Promise<string>;
}

export async function createGatewayWorker(
  start: WorkerStart,
  { onHealth, onServices, metricsText }: MainThread,
): Promise<GatewayWorker> {
  const { config } = start;
  const logs = openWorkerLogs(start);
  const { log, accessLog, errorLog } = logs;
  const telemetry = await startTelemetry(config.polygate.telemetry, 'data-plane', log);
  const metrics = new WorkerMetrics();
  const shared = new SharedCounters(start.counters);
  const runnerCalls = openRunnerCalls(start, { shared, metrics, log });
  const counts = new TrafficCounts(start.traffic, start.workerId);
  const traffic = new WorkerTraffic(metrics, metricPrefix(config), counts);
  const deadlines = new Deadlines();
  const transport = createTransport(config, deadlines, new NameResolver(config.dns));
  const holder = new SnapshotHolder((error) => log.error(`dispose failed: ${String(error)}`));
  const health = new WorkerHealth(onHealth, log);
  const services = new WorkerServices(onServices);
  const builder = createBuilder(start, {
    ...{ health, services, metrics, shared, runnerCalls, counts, metricsText, log, errorLog },
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
      const plugins = update.plugins && (await pluginsOf(update.plugins, log));
      const { snapshot, disposals, failures } = builder.build(update, plugins);
      holder.publish(snapshot, disposals, { mayGoBack: update.reset });
      return failures;
    },
    async listen() {
      listeners = await startEngine(start, gateway, deadlines);
      return listeners.listen;
    },
    metrics() {
      traffic.publish();
      runnerCalls.publishMetrics();
      return metrics.snapshot();
    },
    explain: (question) => {
      const [server] = listeners?.listen ?? start.listen;
      return explainInWorker(question, { gateway, builder, server });
    },
    reportRunners: (withManagers) => runnerCalls.report(withManagers),
    takeRunners: (runners) => runnerCalls.external.takeRunners(runners),
    reopenLogs: () => logs.reopen(),
    takeHealth: (change) => health.take(change),
    takeService: (change) => services.take(change),
    setDebugMode: (on) => void (gateway.debugMode = on),
    async stop(graceMs) {
      const endMs = performance.now() + graceMs;
      await listeners?.drain(graceMs);
      // the last requests are logged by now
      await logBatches.drain(Math.max(endMs - performance.now(), BATCH_DRAIN_MS_MIN));
      runnerCalls.close();
      transport.close();
      await logs.close();
      await telemetry.shutdown();
    },
  };
}

function pluginsOf(selection: PluginSelection, log: Logger): ReturnType<typeof loadPlugins> {
  const { names, user: versions = new Map() } = selection;
  return loadPlugins(names, { versions, onProblem: (message) => log.error(message) });
}

function createBuilder(
  start: WorkerStart,
  parts: {
    readonly health: WorkerHealth;
    readonly services: WorkerServices;
    readonly metrics: WorkerMetrics;
    readonly shared: SharedCounters;
    readonly counts: TrafficCounts;
    readonly runnerCalls: RunnerCalls;
    readonly metricsText: () => Promise<string>;
    readonly log: Logger;
    readonly errorLog: ErrorLog;
  },
): SnapshotBuilder {
  const { config } = start;
  const { health, services, log } = parts;
  return new SnapshotBuilder({
    routerMode: config.routerHttp,
    tls: builderTls(config, start.tlsSecrets),
    upstreams: {
      loads: new NodeLoads(start.loads, start.workerId),
      healthOf: (key, resource) =>
        config.upstreamHealthchecks ? health.of(key, resource) : undefined,
      serviceOf: (resource) => services.of(resource),
    },
    log,
    environment: {
      shared: parts.shared,
      sharedCache: cachesOf(start),
      settings: config.pluginSettings,
      metrics: parts.metrics,
      external: parts.runnerCalls.external,
      httpsPorts: config.ssl.enabled ? config.ssl.listen.map(({ port }) => port) : [],
      node: {
        id: start.nodeId,
        connections: () => parts.counts.sum(),
        metricsText: parts.metricsText,
      },
      logFor: (plugin) => log.child({ plugin }),
      errorLog: parts.errorLog,
    },
  });
}

function cachesOf({ caches }: WorkerStart): PluginEnvironment['sharedCache'] {
  const opened = new Map(
    [...caches].map(([name, memory]) => [name, new SharedCacheMemory(memory)]),
  );
  return (zone) => opened.get(zone);
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
    bodyLimits: {
      graphqlBytesMax: config.graphqlMaxBytes,
      postArgsBytesMax: config.postArgsBytesMax === 0 ? Infinity : config.postArgsBytesMax,
    },
    responseHoldBytesMax: config.polygate.limits.bufferedBodyBytesMax,
    debugMode,
    showUpstreamStatus: config.showUpstreamStatus,
    targetRules: {
      deleteTailSlash: config.deleteUriTailSlash,
      likeServlet: config.normalizeUriLikeServlet,
      keepEncodedSlash: config.matchUriEncodedSlash,
    },
    trusted: trustedAddresses === undefined ? undefined : new IpSet(trustedAddresses),
    findClient: createFindClient({
      header: config.http.realIpHeader,
      recursive: config.http.realIpRecursive,
      from: config.http.realIpFrom,
    }),
  };
}
