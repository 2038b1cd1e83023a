import { hostname } from 'node:os';
import type { PluginEnvironment } from '@polygate/plugin-sdk';
import { logBatches, type LogBatch, type LogSink } from '../log-sinks/log-batches.ts';
import { endpointUrl, openHttpTarget } from '../log-sinks/log-sink-http.ts';
import { encodeExport, encodeResource, type Attribute } from './otlp-encoder.ts';
import type { OpentelemetryMetadata } from './opentelemetry.schema.ts';

/** The library's name that APISIX puts into spans; dashboards and collectors select by it. */
const SCOPE_NAME = 'opentelemetry-lua';

// Those of opentelemetry-lua's batch_span_processor.
const QUEUE_SPANS_MAX = 2048;
const BATCH_TIMEOUT_S = 5;
const INACTIVE_TIMEOUT_S = 2;
const BATCH_SPANS_MAX = 256;
/** It tries again for ten seconds. */
const RETRIES_MAX = 9;
const RETRY_DELAY_S = 1;

/** The way of encoded spans to the collector: one in each worker, whatever routes they are of. */
export function acquireExporter(
  metadata: OpentelemetryMetadata,
  env: PluginEnvironment,
): LogBatch<Buffer> {
  const settings = metadata.batch_span_processor;
  return logBatches.acquire<Buffer>({
    plugin: 'opentelemetry',
    conf: {
      name: 'opentelemetry',
      batch_max_size: atLeastOne(settings.max_export_batch_size) ?? BATCH_SPANS_MAX,
      buffer_duration: settings.batch_timeout ?? BATCH_TIMEOUT_S,
      inactive_timeout: settings.inactive_timeout ?? INACTIVE_TIMEOUT_S,
      max_retry_count: RETRIES_MAX,
      retry_delay: RETRY_DELAY_S,
    },
    env: {
      source: { kind: 'plugin_metadata', id: 'opentelemetry', modifiedIndex: 0 },
      metadata: { max_pending_entries: settings.max_queue_size ?? QUEUE_SPANS_MAX },
      metrics: env.metrics,
      log: env.log,
    },
    discriminator: JSON.stringify(metadata),
    openSink: () => openCollector(metadata),
  });
}

function openCollector({ collector, resource }: OpentelemetryMetadata): LogSink<Buffer> {
  const { address, request_timeout, request_headers = {} } = collector;
  const url = endpointUrl(`${/^https?:\/\//.test(address) ? '' : 'http://'}${address}/v1/traces`);
  const target = openHttpTarget({
    timeoutMs: request_timeout * 1000,
    verifyTls: true,
    keepAlive: { idleMs: 60_000, connectionsMax: 5 },
  });
  const encodedResource = encodeResource(resourceAttributes(resource));
  const headers = {
    ...Object.fromEntries(
      Object.entries(request_headers).map(([name, value]) => [name, String(value)]),
    ),
    'Content-Type': 'application/x-protobuf',
  };
  return {
    async send(spans) {
      const answer = await target.post(
        url,
        headers,
        encodeExport(encodedResource, SCOPE_NAME, spans),
      );
      if (answer.status === 200) return;
      throw new Error(`request failed: ${answer.status} ${answer.body.toString()}`);
    },
    close: () => target.close(),
  };
}

/** Without `resource` in the metadata the service has no name, as in APISIX. */
function resourceAttributes(resource: OpentelemetryMetadata['resource']): readonly Attribute[] {
  const own: Attribute[] = [{ key: 'hostname', value: hostname() }];
  if (resource === undefined) return own;
  if (!Object.hasOwn(resource, 'service.name')) own.push({ key: 'service.name', value: 'APISIX' });
  for (const [key, value] of Object.entries(resource)) {
    own.push({ key, value: typeof value === 'number' ? { double: value } : value });
  }
  return own;
}

function atLeastOne(count: number | undefined): number | undefined {
  return count === undefined || count < 1 ? undefined : count;
}
