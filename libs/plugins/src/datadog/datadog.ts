import { definePlugin } from '@polygate/plugin-sdk';
import type { PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { PartlySent } from '../log-sinks/batch-processor.ts';
import { logBatches, type LogBatch, type LogSink } from '../log-sinks/log-batches.ts';
import { latenciesOf } from '../log-entries/log-entry-full.ts';
import { sendOverUdp } from '../log-sinks/log-sink-socket.ts';
import {
  DATADOG_DEFAULTS,
  definition,
  type DatadogConf,
  type DatadogMetadata,
} from './datadog.schema.ts';

/** An agent reads no more of a datagram. */
const DATAGRAM_BYTES_MAX = 8192;

interface Prepared {
  readonly conf: DatadogConf;
  readonly metadata: DatadogMetadata;
  readonly batch: LogBatch<readonly string[]>;
}

/** Metrics of each request to a DogStatsD agent. */
export default definePlugin<DatadogConf, Prepared>(definition, {
  prepare(conf, env) {
    const metadata = { ...DATADOG_DEFAULTS, ...(env.metadata as Partial<DatadogMetadata>) };
    const { host, port } = metadata;
    const batch = logBatches.acquire({
      plugin: 'datadog',
      conf,
      env,
      discriminator: `${host}:${port}`,
      openSink: () => openAgent(metadata, env),
    });
    return { conf, metadata, batch };
  },

  dispose: ({ batch }) => batch.release(),

  log(ctx, { conf, metadata, batch }) {
    const lines = metricLines(ctx, conf, metadata);
    const chars = lines.reduce((sum, line) => sum + line.length, 0);
    batch.push(ctx, lines, chars);
  },
});

function openAgent(
  { host, port }: DatadogMetadata,
  { log }: PluginEnvironment,
): LogSink<readonly string[]> {
  return {
    async send(entries) {
      log.info(`sending batch metrics to dogstatsd: ${host}:${port}`);
      for (const [index, lines] of entries.entries()) {
        const text = lines.join('\n');
        const fits = Buffer.byteLength(text) <= DATAGRAM_BYTES_MAX;
        try {
          await sendOverUdp({ host, port }, fits ? [text] : lines);
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          throw new PartlySent(reason, index);
        }
      }
    },
  };
}

function metricLines(
  ctx: RequestContext,
  conf: DatadogConf,
  metadata: DatadogMetadata,
): readonly string[] {
  const tags = [...metadata.constant_tags, ...conf.constant_tags, ...variableTags(ctx, conf)];
  const suffix = tags.length === 0 ? '' : `|#${tags.join(',')}`;
  const prefix = metadata.namespace === '' ? '' : `${metadata.namespace}.`;
  const line = (name: string, value: number, type: string): string =>
    `${prefix}${name}:${value}|${type}${suffix}`;
  const { totalMs, upstreamMs, ownMs } = latenciesOf(ctx);
  return [
    line('request.counter', 1, 'c'),
    line('request.latency', totalMs, 'h'),
    ...(upstreamMs === undefined ? [] : [line('upstream.latency', upstreamMs, 'h')]),
    line('apisix.latency', ownMs, 'h'),
    line('ingress.size', ctx.bytesReceived, 'ms'),
    line('egress.size', ctx.bytesSent, 'ms'),
  ];
}

function variableTags(ctx: RequestContext, conf: DatadogConf): readonly string[] {
  const { route, request, response, consumer, vars } = ctx;
  const service = route === undefined ? request.host : route.serviceId;
  const tags: Readonly<Record<string, string | undefined>> = {
    route_name: conf.prefer_name ? (filled(route?.name) ?? route?.id) : route?.id,
    path: conf.include_path ? route?.matchedPath : undefined,
    method: conf.include_method ? vars.get('method') : undefined,
    service_name: conf.prefer_name ? (filled(route?.serviceName) ?? service) : service,
    consumer: consumer?.username,
    balancer_ip: vars.get('balancer_ip'),
    response_status: String(response.status),
    response_status_class: `${Math.floor(response.status / 100)}xx`,
    // of an upstream, where one was chosen
    scheme: ctx.attempts.length === 0 ? undefined : vars.get('upstream_scheme'),
  };
  return Object.entries(tags).flatMap(([key, value]) =>
    value === undefined || value === '' ? [] : [`${key}:${value}`],
  );
}

function filled(name: string | undefined): string | undefined {
  return name === '' ? undefined : name;
}
