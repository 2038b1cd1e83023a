import { hostname } from 'node:os';
import { compileSchema } from '@polygate/model';
import { mountPlugin, validConf, type PluginRequest, type PluginRun } from '@polygate/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startCollector, type CollectedSpan, type Collector } from './collector.harness.ts';
import plugin from './opentelemetry.ts';

let collector: Collector;
beforeEach(async () => void (collector = await startCollector()));
afterEach(async () => await collector.close());

const ALWAYS = { sampler: { name: 'always_on' } };
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = `00-${TRACE}-b7ad6b7169203331-01`;

function metadataOf(raw: object = {}): Readonly<Record<string, unknown>> {
  const metadata = { collector: { address: collector.address }, ...raw };
  compileSchema(plugin.definition.metadataSchema!)(metadata);
  return metadata;
}

/** The request as it was traced; nothing waits for a collector longer than until the conf is let go. */
async function send(
  raw: object,
  request: PluginRequest = {},
  metadata: object = {},
): Promise<PluginRun> {
  const conf = validConf(plugin.definition, raw);
  const mounted = mountPlugin(plugin, conf, { metadata: metadataOf(metadata) });
  const run = await mounted.request(request);
  mounted.dispose();
  return run;
}

async function collected(count = 1): Promise<CollectedSpan> {
  await vi.waitFor(() => expect(collector.spans).toHaveLength(count), 10_000);
  return collector.spans.at(-1) as CollectedSpan;
}

const sentTraceparent = (run: PluginRun): string | undefined =>
  run.upstreamRequest?.headers.get('traceparent');

test('a request is a span of a server, with the attributes of old and new conventions', async () => {
  const route = {
    id: '7',
    name: 'seven',
    matchedPath: '/hello*',
    serviceId: 's',
    serviceName: 'S',
  };
  const run = await send(ALWAYS, {
    target: '/hello?a=1',
    headers: { Host: 'x.test', 'User-Agent': 'curl' },
    route,
  });
  const span = await collected();
  expect(span).toMatchObject({
    name: 'GET /hello*',
    kind: 2,
    scope: 'opentelemetry-lua',
    parentSpanId: '',
    status: undefined,
    resource: { hostname: hostname() },
  });
  expect(span.attributes).toEqual({
    'net.host.name': 'x.test',
    'http.method': 'GET',
    'http.scheme': 'http',
    'http.target': '/hello?a=1',
    'http.user_agent': 'curl',
    'http.request.method': 'GET',
    'url.scheme': 'http',
    'url.path': '/hello',
    'user_agent.original': 'curl',
    'apisix.route_id': '7',
    'apisix.route_name': 'seven',
    'http.route': '/hello*',
    'apisix.service_id': 's',
    'apisix.service_name': 'S',
    'apisix.response_source': 'upstream',
    'http.status_code': { int: 200 },
    'http.response.status_code': { int: 200 },
  });
  expect(span.endNs).toBeGreaterThanOrEqual(span.startNs);
  expect(Math.abs(Number(span.endNs / 1_000_000n) - Date.now())).toBeLessThan(60_000);
  expect(sentTraceparent(run)).toBe(`00-${span.traceId}-${span.spanId}-01`);
  expect(collector.requests[0]).toMatchObject({
    path: '/v1/traces',
    headers: { 'content-type': 'application/x-protobuf' },
  });
});

test('an answer of 500 and more is an error, and says whose', async () => {
  await send(ALWAYS, { upstream: { status: 503 } });
  expect((await collected()).status).toEqual({ code: 2, message: 'upstream error: 503' });
  await send(ALWAYS, { upstream: null });
  expect((await collected(2)).status).toEqual({ code: 2, message: 'nginx error: 502' });
});

test('the trace of a caller goes on, with its state', async () => {
  const headers = { traceparent: CALLER, tracestate: 'a=1,b=2' };
  const run = await send({ sampler: { name: 'always_on' } }, { headers });
  const span = await collected();
  expect(span).toMatchObject({
    traceId: TRACE,
    parentSpanId: 'b7ad6b7169203331',
    traceState: 'a=1,b=2',
  });
  expect(sentTraceparent(run)).toBe(`00-${TRACE}-${span.spanId}-01`);
  expect(run.upstreamRequest?.headers.get('tracestate')).toBe('a=1,b=2');
});

test('a header that is none begins a new trace, and its state goes', async () => {
  for (const traceparent of ['x', CALLER.replace('00-', 'ff-'), `00-${'0'.repeat(32)}-1-01`]) {
    const run = await send(ALWAYS, { headers: { traceparent, tracestate: 'a=1' } });
    expect(sentTraceparent(run)).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-01$/);
    expect(sentTraceparent(run)).not.toContain(TRACE);
    expect(run.upstreamRequest?.headers.has('tracestate')).toBe(false);
  }
});

test('always_off records nothing and tells the upstream so', async () => {
  const run = await send({}, { headers: { traceparent: CALLER } });
  expect(sentTraceparent(run)).toMatch(new RegExp(`^00-${TRACE}-[\\da-f]{16}-00$`));
  await send(ALWAYS);
  await collected(1);
});

test('trace_id_ratio goes by the trace id alone', async () => {
  const half = { sampler: { name: 'trace_id_ratio', options: { fraction: 0.5 } } };
  const flags = async (first: string) =>
    sentTraceparent(
      await send(half, {
        headers: { traceparent: `00-${first}${TRACE.slice(2)}-${'1'.repeat(16)}-00` },
      }),
    )?.slice(-2);
  expect([await flags('00'), await flags('7f'), await flags('80'), await flags('ff')]).toEqual([
    ...['01', '01', '00', '00'],
  ]);
});

test('parent_base does as the caller does, and asks its root sampler where there is none', async () => {
  const base = (name: string) => ({
    sampler: { name: 'parent_base', options: { root: { name } } },
  });
  const flags = async (raw: object, traceparent?: string) =>
    sentTraceparent(
      await send(raw, traceparent === undefined ? {} : { headers: { traceparent } }),
    )?.slice(-2);
  expect(await flags(base('always_off'), CALLER)).toBe('01');
  expect(await flags(base('always_on'), CALLER.replace(/01$/, '00'))).toBe('00');
  expect(await flags(base('always_on'))).toBe('01');
  expect(await flags(base('always_off'))).toBe('00');
});

test('the trace id can be that of the request, where it can be one', async () => {
  const metadata = { trace_id_source: 'x-request-id' };
  const traceIdOf = async (id: string | readonly string[]) =>
    sentTraceparent(await send(ALWAYS, { headers: { 'X-Request-Id': id } }, metadata))?.slice(
      3,
      35,
    );
  expect(await traceIdOf(TRACE.toUpperCase())).toBe(TRACE);
  expect(await traceIdOf('5a0d7f0e-53c5-44f4-9ddb-8a5ea4f4fcd4')).toMatch(/^[\da-f]{32}$/);
  expect(await traceIdOf([TRACE, TRACE])).not.toBe(TRACE);
  expect(await traceIdOf('0'.repeat(32))).not.toBe('0'.repeat(32));
});

test('resource and headers for the collector come from the metadata', async () => {
  await send(
    ALWAYS,
    {},
    {
      resource: { 'deployment.zone': 'a', weight: 1.5, isTest: true },
      collector: { address: collector.address, request_headers: { 'X-Token': 'foo', n: 1 } },
    },
  );
  expect((await collected()).resource).toEqual({
    hostname: hostname(),
    'service.name': 'APISIX',
    'deployment.zone': 'a',
    weight: 1.5,
    isTest: true,
  });
  expect(collector.requests[0]?.headers).toMatchObject({ 'x-token': 'foo', n: '1' });
  await send(ALWAYS, {}, { resource: { 'service.name': 'mine' } });
  expect((await collected(2)).resource['service.name']).toBe('mine');
});

test('variables and headers are attributes where the conf asks for them', async () => {
  const raw = {
    ...ALWAYS,
    additional_attributes: ['remote_addr', 'status', 'no_such'],
    additional_header_prefix_attributes: ['x-my-*', 'X-One', 'absent'],
  };
  const headers = { 'X-My-A': '1', 'x-my-b': ['2', '3'], 'X-One': 'one', 'X-Other': 'no' };
  await send(raw, { headers });
  const { attributes } = await collected();
  expect(attributes).toMatchObject({
    remote_addr: '127.0.0.1',
    status: '200',
    'x-my-a': '1',
    'x-my-b': '2, 3',
    'X-One': 'one',
  });
  expect(Object.keys(attributes).some((key) => /other|absent|no_such/i.test(key))).toBe(false);
});

test('set_ngx_var makes the ids variables', async () => {
  const { ctx } = await send(ALWAYS, {}, { set_ngx_var: true });
  const { traceId, spanId } = await collected();
  expect(ctx.vars.get('opentelemetry_context_traceparent')).toBe(`00-${traceId}-${spanId}-01`);
  expect(ctx.vars.get('opentelemetry_trace_id')).toBe(traceId);
  expect(ctx.vars.get('opentelemetry_span_id')).toBe(spanId);
});

test('spans of all routes go in one batch, which is tried again while the collector is away', async () => {
  collector.status = 503;
  const env = { metadata: metadataOf({ batch_span_processor: { max_export_batch_size: 2 } }) };
  const conf = validConf(plugin.definition, ALWAYS);
  const routes = ['1', '2'].map((id) =>
    mountPlugin(plugin, conf, { ...env, source: { kind: 'route', id, modifiedIndex: 1 } }),
  );
  for (const route of routes) await route.request();
  await vi.waitFor(() => expect(collector.requests).toHaveLength(1), 10_000);
  collector.status = 200;
  await collected(2);
  expect(collector.requests).toHaveLength(2);
  for (const route of routes) route.dispose();
});

test('without metadata nothing is traced, and that is said', async () => {
  const mounted = mountPlugin(plugin, validConf(plugin.definition, ALWAYS));
  const run = await mounted.request();
  expect(run.log).toEqual([
    'warn: plugin_metadata is required for opentelemetry plugin to working properly',
  ]);
  expect(sentTraceparent(run)).toBeUndefined();
});

test.each([
  [{ sampler: { name: 'sometimes' } }, 'property "sampler" validation failed'],
  [{ additional_attributes: [''] }, 'property "additional_attributes" validation failed'],
])('refuses %j', (raw, message) => {
  expect(() => validConf(plugin.definition, raw)).toThrow(message);
});
