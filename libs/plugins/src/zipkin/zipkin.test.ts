import { mountPlugin, validConf, type PluginRequest, type PluginRun } from '@polygate/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startService, type TestService } from '../http-call.harness.ts';
import plugin from './zipkin.ts';

let zipkin: TestService;
beforeEach(async () => {
  zipkin = await startService((_request, response) => response.writeHead(202).end());
});
afterEach(async () => await zipkin.close());

interface ZipkinSpan {
  readonly traceId: string;
  readonly id: string;
  readonly name: string;
  readonly parentId?: string;
}

const TRACE = '80f198ee56343ba864fe8b2a57d3eff7';
const SPAN = 'e457b5a2e4d86bd1';
const PARENT = '05e3ac9a4f6e3b90';

async function send(
  raw: object,
  request: PluginRequest = {},
  attr: Readonly<Record<string, unknown>> = {},
): Promise<PluginRun> {
  const conf = { endpoint: `${zipkin.url}/api/v2/spans`, sample_ratio: 1, ...raw };
  const mounted = mountPlugin(plugin, validConf(plugin.definition, conf), { attr });
  const run = await mounted.request(request);
  mounted.dispose();
  return run;
}

async function reported(): Promise<Readonly<Record<string, ZipkinSpan>>> {
  await vi.waitFor(() => expect(zipkin.seen).toHaveLength(1), 10_000);
  const spans = JSON.parse(zipkin.seen[0]?.body ?? '') as ZipkinSpan[];
  return Object.fromEntries(spans.map((span) => [span.name, span]));
}

const sent = (run: PluginRun, name: string): string | undefined =>
  run.upstreamRequest?.headers.get(name);

test('a sampled request is three spans, and the upstream is below the one of the proxy', async () => {
  const run = await send({}, { target: '/hello?a=1', headers: { Host: 'x' } });
  const spans = await reported();
  expect(zipkin.seen[0]).toMatchObject({
    path: '/api/v2/spans',
    headers: { 'content-type': 'application/json' },
  });
  expect(Object.keys(spans).sort()).toEqual([
    ...['apisix.proxy', 'apisix.request', 'apisix.response_span'],
  ]);
  const request = spans['apisix.request'];
  expect(request).toEqual({
    traceId: expect.stringMatching(/^[\da-f]{32}$/),
    id: expect.stringMatching(/^[\da-f]{16}$/),
    name: 'apisix.request',
    kind: 'SERVER',
    timestamp: expect.any(Number),
    duration: expect.any(Number),
    localEndpoint: { serviceName: 'APISIX', ipv4: '127.0.0.1', port: 9080 },
    remoteEndpoint: { ipv4: '127.0.0.1', port: 51_234 },
    tags: {
      component: 'apisix',
      'http.method': 'GET',
      'http.url': '/hello?a=1',
      'http.status_code': '200',
      'apisix.response_source': 'upstream',
    },
  });
  const proxy = spans['apisix.proxy'];
  expect(proxy).toMatchObject({ parentId: request?.id, remoteEndpoint: null, tags: {} });
  expect(proxy).not.toHaveProperty('kind');
  expect(spans['apisix.response_span']?.parentId).toBe(request?.id);
  expect(sent(run, 'x-b3-traceid')).toBe(request?.traceId);
  expect(sent(run, 'x-b3-spanid')).toBe(proxy?.id);
  expect(sent(run, 'x-b3-parentspanid')).toBe(request?.id);
  expect(sent(run, 'x-b3-sampled')).toBe('1');
});

test('version 1 has a span for each phase', async () => {
  await send({ span_version: 1, service_name: 'mine', server_addr: '10.1.2.3' });
  const spans = await reported();
  expect(Object.keys(spans).sort()).toEqual([
    ...['apisix.access', 'apisix.body_filter', 'apisix.proxy'],
    ...['apisix.request', 'apisix.rewrite'],
  ]);
  expect(spans['apisix.body_filter']?.parentId).toBe(spans['apisix.proxy']?.id);
  expect(spans['apisix.access']?.parentId).toBe(spans['apisix.request']?.id);
  const localEndpoint = { serviceName: 'mine', ipv4: '10.1.2.3', port: 9080 };
  expect(spans['apisix.request']).toMatchObject({ localEndpoint });
});

test('the trace of a caller goes on', async () => {
  const headers = { 'x-b3-traceid': TRACE.toUpperCase(), 'x-b3-spanid': SPAN, 'x-b3-sampled': '1' };
  const run = await send({ sample_ratio: 0.000_01 }, { headers });
  expect((await reported())['apisix.request']).toMatchObject({ traceId: TRACE, parentId: SPAN });
  expect(sent(run, 'x-b3-traceid')).toBe(TRACE);
});

test.each([
  ['0', undefined, '0'],
  [`${TRACE}-${SPAN}-0`, TRACE, '0'],
  [`${TRACE}-${SPAN}-1-${PARENT}`, TRACE, '1'],
  [`${TRACE}-${SPAN}`, TRACE, '1'],
])('the single header %s is told to the upstream by the others', async (b3, traceId, sampled) => {
  const run = await send({}, { headers: { b3 } });
  expect(sent(run, 'b3')).toBeUndefined();
  expect(sent(run, 'x-b3-sampled')).toBe(sampled);
  if (traceId !== undefined) expect(sent(run, 'x-b3-traceid')).toBe(traceId);
  // one that is not sampled still is a step of the trace
  if (sampled === '0' && traceId !== undefined) expect(sent(run, 'x-b3-parentspanid')).toBe(SPAN);
});

test('debugging in the single header is a flag for the upstream', async () => {
  const run = await send({ sample_ratio: 0.000_01 }, { headers: { b3: `${TRACE}-${SPAN}-d` } });
  expect([sent(run, 'x-b3-flags'), sent(run, 'x-b3-sampled')]).toEqual(['1', '1']);
});

test('a single header without a span is refused', async () => {
  const run = await send({}, { headers: { b3: TRACE } });
  expect(run.status).toBe(400);
  expect(run.log).toEqual([`error: invalid b3 header: ${TRACE}, ignored: missing span_id`]);
});

test('ids that are none begin a new trace', async () => {
  for (const [name, value] of [
    ['x-b3-traceid', 'abc'],
    ['x-b3-spanid', 'abc'],
    ['x-b3-parentspanid', 'z'.repeat(16)],
  ] as const) {
    const headers = { 'x-b3-traceid': TRACE, 'x-b3-spanid': SPAN, [name]: value };
    const run = await send({}, { headers });
    expect(run.log).toEqual([`warn: ${name} header invalid; ignoring.`]);
    expect(sent(run, 'x-b3-traceid')).toMatch(/^[\da-f]{32}$/);
    expect(sent(run, 'x-b3-traceid')).not.toBe(TRACE);
  }
});

test('what is not sampled is not reported, and the upstream hears of it', async () => {
  for (const sampled of ['0', 'false']) {
    const run = await send({}, { headers: { 'x-b3-sampled': sampled } });
    expect(sent(run, 'x-b3-sampled')).toBe('0');
  }
  await send({ service_name: 'last' });
  const { 'apisix.request': request } = await reported();
  expect(request).toMatchObject({ localEndpoint: { serviceName: 'last' } });
});

test('x-b3-flags of 1 samples whatever the ratio, but what the caller decided is kept', async () => {
  const flagged = { 'x-b3-flags': '1' };
  const low = { sample_ratio: 0.000_01 };
  expect(sent(await send(low, { headers: flagged }), 'x-b3-sampled')).toBe('1');
  const decided = { ...flagged, 'x-b3-sampled': '0' };
  expect(sent(await send(low, { headers: decided }), 'x-b3-sampled')).toBe('0');
});

test('the ids are variables where the configuration file says so', async () => {
  const { ctx } = await send({}, {}, { set_ngx_var: true });
  const { traceId, id } = (await reported())['apisix.request'] as ZipkinSpan;
  expect(ctx.vars.get('zipkin_context_traceparent')).toBe(`00-${traceId}-${id}-01`);
  expect(ctx.vars.get('zipkin_trace_id')).toBe(traceId);
  expect(ctx.vars.get('zipkin_span_id')).toBe(id);
});

test.each([
  [{ sample_ratio: 1 }, 'property "endpoint" is required'],
  [{ endpoint: 'http://a' }, 'property "sample_ratio" is required'],
  [{ endpoint: 'http://a', sample_ratio: 2 }, 'property "sample_ratio" validation failed'],
  [{ endpoint: 'http://a', sample_ratio: 1, server_addr: 'badip' }, 'failed to match pattern'],
  [{ endpoint: 'http://a', sample_ratio: 1, span_version: 3 }, 'property "span_version"'],
])('refuses %j', (raw, message) => {
  expect(() => validConf(plugin.definition, raw)).toThrow(message);
});
