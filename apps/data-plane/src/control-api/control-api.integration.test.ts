import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, request, runGateway, startUpstream } from '../gateway.harness.ts';
import type { Reply, RunningGateway, TestUpstream } from '../gateway.harness.ts';

let gateway: RunningGateway;
let upstream: TestUpstream;
const nodes = { 'LOCALHOST:81': 1, '127.0.0.1:80': 2 };
const checks = { active: { type: 'tcp', healthy: { interval: 1 }, unhealthy: { interval: 1 } } };

beforeAll(async () => {
  upstream = await startUpstream();
  gateway = await runGateway({});
  await gateway.put('/routes/1', {
    uri: '/a',
    host: 'A.Test',
    plugins: { 'proxy-rewrite': { headers: { set: { 'X-Token': '$ENV://HOME' } } } },
    upstream: { type: 'roundrobin', nodes },
  });
  await gateway.put('/services/s', { hosts: ['B.Test'], plugins: { 'key-auth': {} } });
  await gateway.put('/upstreams/u', { type: 'roundrobin', nodes: { [upstream.node]: 1 }, checks });
  await gateway.put('/plugin_metadata/limit-count', {});
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const ask = (path: string, options: { method?: string; accept?: string } = {}): Promise<Reply> =>
  request({
    port: gateway.plane.controlPort ?? 0,
    path,
    method: options.method ?? 'GET',
    ...(options.accept !== undefined && { headers: { accept: options.accept } }),
  });
const json = async (path: string): Promise<unknown> => {
  const { status, text } = await ask(path);
  return { status, body: JSON.parse(text) as unknown };
};

describe('an object served', () => {
  test('is shown as APISIX holds it in memory', async () => {
    const { status, text, headers } = await ask('/v1/route/1');
    expect([status, headers['content-type']]).toEqual([200, 'application/json']);
    expect(text.endsWith('}\n')).toBe(true);
    const { modifiedIndex, value, ...route } = JSON.parse(text) as Record<string, unknown>;
    expect(route).toEqual({
      key: '/apisix/routes/1',
      createdIndex: expect.any(Number) as number,
      orig_modifiedIndex: modifiedIndex,
      has_domain: true,
    });
    const shownNodes = [
      { host: 'LOCALHOST', port: 81, weight: 1 },
      { host: '127.0.0.1', port: 80, weight: 2 },
    ];
    expect(value).toMatchObject({
      id: '1',
      host: 'a.test',
      uri: '/a',
      plugins: { 'proxy-rewrite': { _meta: {} } },
      upstream: {
        nodes: shownNodes,
        dns_nodes: shownNodes,
        pass_host: 'pass',
        resource_key: '/apisix/routes/1',
        resource_version: modifiedIndex,
        resource_id: '1',
      },
    });
  });

  test('keeps its references to secrets as they were written', async () => {
    expect((await ask('/v1/route/1')).text).toContain('$ENV://HOME');
  });

  test('is in the list of its kind', async () => {
    const services = (await json('/v1/services')) as { body: object[] };
    expect(services.body).toMatchObject([
      { key: '/apisix/services/s', has_domain: false, value: { id: 's', hosts: ['b.test'] } },
    ]);
    const upstreams = (await json('/v1/upstreams')) as { body: object[] };
    expect(upstreams.body).toMatchObject([
      { value: { id: 'u', resource_id: 'u', resource_key: '/apisix/upstreams/u' } },
    ]);
  });

  test('is its last good version', async () => {
    await gateway.put('/services/s', { nonsense: true });
    expect((await ask('/v1/service/s')).text).toContain('b.test');
  });

  test('is metadata without what stands around it', async () => {
    expect(await json('/v1/plugin_metadata/limit-count')).toMatchObject({
      status: 200,
      body: { id: 'limit-count' },
    });
    expect(await json('/v1/plugin_metadatas')).toMatchObject({ body: [{ id: 'limit-count' }] });
  });
});

test.each([
  ['/v1/route/2', 404, 'route[2] not found'],
  ['/v1/route/', 404, 'route[] not found'],
  ['/v1/service/2', 404, 'service[2] not found'],
  ['/v1/upstream/2', 404, 'upstream[2] not found'],
  ['/v1/plugin_metadata/echo', 404, 'plugin metadata[echo] not found'],
  ['/v1/healthcheck/routes', 404, 'missing src id for src type routes'],
  ['/v1/healthcheck/routes/2', 404, 'routes[2] not found'],
  ['/v1/healthcheck/routes/1', 404, 'no checker for routes[1]'],
  ['/v1/healthcheck/stream_routes/1', 404, 'stream_routes[1] not found'],
  ['/v1/healthcheck/route/1', 400, 'invalid src type route'],
])('%s is answered %i: %s', async (path, status, message) => {
  expect(await json(path)).toEqual({ status, body: { error_msg: message } });
});

test.each([
  ['GET', '/'],
  ['GET', '/v1'],
  ['GET', '/v1/routes/'],
  ['GET', '/v1/consumers'],
  ['GET', '/v1/consumer/jack'],
  ['GET', '/v1/discovery/dns/dump'],
  ['GET', '/v1/server_info'],
  ['GET', '/v1/plugins/reload'],
  ['POST', '/v1/plugins/reload'],
  ['PUT', '/v1/routes'],
  ['DELETE', '/v1/route/1'],
  ['GET', '/v1/gc'],
])('%s %s is no endpoint', async (method, path) => {
  const { status, text, headers } = await ask(path, { method });
  expect([status, headers['content-type']]).toEqual([404, 'text/html; charset=utf-8']);
  expect(text).toContain('404 Not Found');
});

test('a target that cannot be read is a bad request', async () => {
  expect((await ask('/v1/%zz')).status).toBe(400);
});

describe('health checks', () => {
  test('are listed where an object has them', async () => {
    const status = { name: '/apisix/upstreams/u', type: 'tcp', nodes: {} };
    expect(await json('/v1/healthcheck')).toEqual({ status: 200, body: [status] });
    expect(await json('/v1/healthcheck/upstreams/u')).toEqual({ status: 200, body: status });
  });

  test('are a page for a browser', async () => {
    const { headers, text } = await ask('/v1/healthcheck', { accept: 'text/html,*/*' });
    expect(headers['content-type']).toBe('text/html');
    expect(text).toContain('<th>Upstream</th>');
  });
});

test('the schemas are those of the kinds and of the enabled plugins', async () => {
  const { body } = (await json('/v1/schema')) as { body: Record<string, Record<string, object>> };
  expect(body['main']).toMatchObject({
    route: { type: 'object' },
    consumer_group: { type: 'object' },
    plugins: { type: 'array' },
    upstream_hash_vars_schema: { type: 'string' },
    upstream_hash_header_schema: { type: 'string' },
  });
  expect(Object.keys(body['main'] ?? {})).not.toContain('plugin_metadata');
  expect(body['plugins']?.['key-auth']).toMatchObject({
    type: 'auth',
    priority: 2500,
    schema: { properties: { _meta: { type: 'object' } } },
    consumer_schema: { type: 'object' },
  });
  expect(body['stream_plugins']).toMatchObject({
    'mqtt-proxy': { priority: 1000, schema: { properties: { _meta: { type: 'object' } } } },
  });
});

test('garbage is collected on demand', async () => {
  const { status, text } = await ask('/v1/gc', { method: 'POST' });
  expect([status, text]).toEqual([200, '']);
});

test('plugins are taken from the configuration file anew', async () => {
  const { folder, lines } = gateway;
  const names = async (): Promise<string[]> => {
    const { body } = (await json('/v1/schema')) as { body: { plugins: object } };
    return Object.keys(body.plugins);
  };
  await writeFile(join(folder, 'config.yaml'), 'plugins: [echo]\n');
  const { status, text } = await ask('/v1/plugins/reload', { method: 'PUT' });
  expect([status, text]).toEqual([200, 'done']);
  expect(await names()).toEqual(['echo']);

  await writeFile(join(folder, 'config.yaml'), 'plugins: [7\n');
  expect((await ask('/v1/plugins/reload', { method: 'PUT' })).status).toBe(503);
  expect(await names()).toEqual(['echo']);
  expect(lines.join('')).toContain('plugins reloaded');
});

test('a reload is done when the workers have it, and keeps attributes that the file lost', async () => {
  const file = join(gateway.folder, 'config.yaml');
  const listed = 'plugins: [public-api, prometheus]\n';
  await gateway.put('/routes/m', { uri: '/metrics', plugins: { 'public-api': {} } });
  const reload = (): Promise<Reply> => ask('/v1/plugins/reload', { method: 'PUT' });
  await writeFile(file, listed);
  await reload();
  expect((await gateway.get('/metrics')).status).toBe(404);
  // what the gateway was started with says that there is no server of its own for metrics
  await writeFile(file, `${listed}plugin_attr: { prometheus: { export_uri: /metrics } }\n`);
  await reload();
  expect((await gateway.get('/metrics')).status).toBe(200);
  await gateway.remove('/routes/m');
});

test('a list of nothing is the empty table of Lua', async () => {
  await gateway.remove('/routes/1');
  expect((await ask('/v1/routes')).text).toBe('{}\n');
});

test('a data plane whose port is taken says so and serves on', async () => {
  const taken = gateway.plane.controlPort ?? 0;
  const second = await runGateway({ apisix: `control: { port: ${taken} }` });
  try {
    expect(second.plane.controlPort).toBeUndefined();
    await eventually(() => /no Control API: .*EADDRINUSE/.test(second.lines.join('')));
    expect((await second.get('/')).status).toBe(404);
  } finally {
    await second.stop();
  }
});

test('a data plane without Control API does not listen', async () => {
  const second = await runGateway({ apisix: 'enable_control: false' });
  expect(second.plane.controlPort).toBeUndefined();
  await second.stop();
});
