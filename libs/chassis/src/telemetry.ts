import type { Meter, Tracer } from '@opentelemetry/api';
import type { TelemetryConfig } from './config/gateway-config.ts';
import type { Logger } from './logger.ts';

export interface Telemetry {
  /** Undefined when telemetry is off, so that the request path asks one field. */
  readonly tracer?: Tracer;
  readonly meter?: Meter;
  /** Sends what is left; at most 5 s. Never rejects. */
  shutdown(): Promise<void>;
}

const SHUTDOWN_MS = 5000;
const FAILURE_LOG_INTERVAL_MS = 60_000;

/**
 * OpenTelemetry for one process or worker thread: spans and metrics to an OTLP/HTTP collector as
 * JSON. Nothing of the SDK is loaded when it is off. Nothing global but its diagnostics: contexts
 * are passed by hand (see `extractTraceContext`), as following them through async calls would
 * cost every request. A caller's sampling decision is kept, other requests are sampled by
 * `sampleRatio`. The exporters read OTEL_EXPORTER_OTLP_* (endpoints, headers, timeouts, TLS), the
 * resource OTEL_RESOURCE_ATTRIBUTES.
 */
export async function startTelemetry(
  config: TelemetryConfig,
  service: string,
  log?: Logger,
): Promise<Telemetry> {
  if (!config.enabled) return { shutdown: () => Promise.resolve() };
  const [api, tracing, metrics, traceExport, metricExport, resources] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/sdk-metrics'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/exporter-metrics-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  if (log) api.diag.setLogger(diagnosticsTo(log), api.DiagLogLevel.WARN);
  const url = (path: string) => (config.endpoint ? { url: `${config.endpoint}${path}` } : {});
  const resource = resources
    .defaultResource()
    .merge(resources.detectResources({ detectors: [resources.resourceAttributesEnvDetector] }))
    .merge(
      resources.resourceFromAttributes({ 'service.name': `${config.serviceName}-${service}` }),
    );
  const traces = new tracing.TracerProvider({
    resource,
    sampler: new tracing.ParentBasedSampler({
      root: new tracing.TraceIdRatioBasedSampler(config.sampleRatio),
    }),
    spanProcessors: [
      new tracing.BatchSpanProcessor({
        exporter: new traceExport.OTLPTraceExporter(url('/v1/traces')),
        scheduledDelayMillis: 2000,
      }),
    ],
  });
  const meters = new metrics.MeterProvider({
    resource,
    readers: [
      new metrics.PeriodicExportingMetricReader({
        exporter: new metricExport.OTLPMetricExporter(url('/v1/metrics')),
        exportIntervalMillis: config.metricsIntervalMs,
        exportTimeoutMillis: Math.min(config.metricsIntervalMs, 10_000),
      }),
    ],
  });
  return {
    tracer: traces.getTracer('polygate'),
    meter: meters.getMeter('polygate'),
    shutdown: () => shutDown([traces, meters], log),
  };
}

async function shutDown(
  providers: readonly { shutdown(): Promise<void> }[],
  log: Logger | undefined,
): Promise<void> {
  const ended = Promise.allSettled(providers.map((provider) => provider.shutdown()));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), SHUTDOWN_MS);
  });
  const results = await Promise.race([ended, late]);
  clearTimeout(timer);
  if (results === 'late') return log?.warn('telemetry: the last batch was not sent in time');
  for (const result of results) {
    if (result.status === 'fulfilled') continue;
    log?.warn('telemetry: the last batch was not sent', { error: result.reason });
  }
}

/** A collector that is away fails every batch; one line a minute says so. */
function diagnosticsTo(log: Logger) {
  let nextMs = 0;
  const warn = (message: string) => {
    if (Date.now() < nextMs) return;
    nextMs = Date.now() + FAILURE_LOG_INTERVAL_MS;
    log.warn(`telemetry: ${message}`);
  };
  const ignore = () => undefined;
  return { error: warn, warn, info: ignore, debug: ignore, verbose: ignore };
}
