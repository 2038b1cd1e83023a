import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type { TelemetryConfig } from './config/gateway-config.ts';
import { createLogger } from './logger.ts';
import { startTelemetry } from './telemetry.ts';
import { extractTraceContext, injectTraceContext } from './trace-context.ts';

interface Received {
  readonly path: string | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: OtlpBody;
}

interface OtlpSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
}

/** The parts of OTLP's JSON that are looked at; requests of traces and of metrics in one. */
interface OtlpBody {
  readonly resourceSpans: {
    readonly resource: { readonly attributes: readonly unknown[] };
    readonly scopeSpans: { readonly spans: readonly OtlpSpan[] }[];
  }[];
  readonly resourceMetrics: { readonly scopeMetrics: { readonly metrics: unknown[] }[] }[];
}

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const close of closers.splice(0).reverse()) await close();
});

/** An OTLP/HTTP collector as far as it matters: it answers, and keeps what it got. */
async function startCollector(status = 200) {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as OtlpBody;
      received.push({ path: request.url, headers: request.headers, body });
      response.writeHead(status, { 'Content-Type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const { port } = server.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}`;
  const spans = () =>
    received
      .filter(({ path }) => path === '/v1/traces')
      .flatMap(({ body }) => body.resourceSpans[0]!.scopeSpans[0]!.spans);
  return { received, endpoint, spans };
}

const on = (endpoint?: string): TelemetryConfig => ({
  enabled: true,
  ...(endpoint !== undefined && { endpoint }),
  serviceName: 'polygate',
  sampleRatio: 1,
  metricsIntervalMs: 60_000,
});

const callerTrace = '4bf92f3577b34da6a3ce929d0e0e4736';
const callerSpan = '00f067aa0ba902b7';

test('a span reaches the collector with its name, its parent and the service', async () => {
  const { received, endpoint, spans } = await startCollector();
  const telemetry = await startTelemetry(on(endpoint), 'data-plane');
  const caller = extractTraceContext({ traceparent: `00-${callerTrace}-${callerSpan}-01` });
  const span = telemetry.tracer!.startSpan('GET /orders', {}, caller);
  const { traceparent } = injectTraceContext(span)!;
  span.end();
  await telemetry.shutdown();
  const sent = spans()[0]!;
  expect(sent).toMatchObject({
    name: 'GET /orders',
    traceId: callerTrace,
    parentSpanId: callerSpan,
  });
  expect(traceparent).toBe(`00-${callerTrace}-${sent.spanId}-01`);
  const { attributes } = received[0]!.body.resourceSpans[0]!.resource;
  expect(attributes).toContainEqual({
    key: 'service.name',
    value: { stringValue: 'polygate-data-plane' },
  });
});

test('metrics are sent in their interval', async () => {
  const { received, endpoint } = await startCollector();
  const telemetry = await startTelemetry({ ...on(endpoint), metricsIntervalMs: 100 }, 'data-plane');
  closers.push(() => telemetry.shutdown());
  telemetry.meter!.createCounter('requests').add(3, { route: '1' });
  const sent = await vi.waitFor(() => {
    const found = received.find(({ path }) => path === '/v1/metrics');
    expect(found).toBeDefined();
    return found!;
  }, 10_000);
  const [metric] = sent.body.resourceMetrics[0]!.scopeMetrics[0]!.metrics;
  expect(metric).toMatchObject({ name: 'requests', sum: { dataPoints: [{ asDouble: 3 }] } });
});

test('the decision of the caller stands, others are sampled by the ratio', async () => {
  const { endpoint, spans } = await startCollector();
  const telemetry = await startTelemetry({ ...on(endpoint), sampleRatio: 0 }, 'data-plane');
  const start = (name: string, flags: string) => {
    const parent = extractTraceContext({ traceparent: `00-${callerTrace}-${callerSpan}-${flags}` });
    telemetry.tracer!.startSpan(name, {}, parent).end();
  };
  start('wanted', '01');
  start('not wanted', '00');
  telemetry.tracer!.startSpan('not sampled').end();
  await telemetry.shutdown();
  expect(spans().map(({ name }) => name)).toEqual(['wanted']);
});

test('without an endpoint in the file the variables of OpenTelemetry count', async () => {
  const { received, endpoint, spans } = await startCollector();
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', endpoint);
  vi.stubEnv('OTEL_EXPORTER_OTLP_HEADERS', 'x-tenant=acme');
  vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'deployment.environment=test');
  const telemetry = await startTelemetry(on(), 'admin-api');
  telemetry.tracer!.startSpan('PUT').end();
  await telemetry.shutdown();
  expect(spans()).toHaveLength(1);
  expect(received[0]!.headers['x-tenant']).toBe('acme');
  expect(JSON.stringify(received[0]!.body.resourceSpans[0]!.resource)).toContain(
    'deployment.environment',
  );
});

test('a collector that refuses is logged and breaks neither process nor shutdown', async () => {
  const { endpoint } = await startCollector(400);
  const lines: string[] = [];
  const stream = { write: (line: string) => lines.push(line) };
  const log = createLogger({ level: 'warn', format: 'text', service: 'test', stream });
  const telemetry = await startTelemetry(on(endpoint), 'data-plane', log);
  telemetry.tracer!.startSpan('lost').end();
  await telemetry.shutdown();
  expect(lines.join('')).toContain('[warn] test: telemetry: ');
});

test('when it is off there is no tracer and nothing of the SDK is loaded', async () => {
  const off = await startTelemetry({ ...on(), enabled: false }, 'data-plane');
  expect(off.tracer).toBeUndefined();
  expect(off.meter).toBeUndefined();
  await off.shutdown();
  const script = join(import.meta.dirname, 'fixtures/loaded-modules.ts');
  const loaded = execFileSync(process.execPath, [script], { encoding: 'utf8' });
  expect(loaded).toContain('@opentelemetry/api');
  expect(loaded).not.toMatch(/sdk-trace|sdk-metrics|otlp|resources/);
});
