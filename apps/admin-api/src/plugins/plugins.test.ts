import { connectControlService, type ControlConnectResponse } from '@polygate/rpc';
import { afterEach, expect, test, vi } from 'vitest';
import { type HarnessOptions, runAdminApi, type RunningAdminApi } from '../admin-api.harness.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options?: HarnessOptions): Promise<RunningAdminApi> {
  const api = await runAdminApi(options);
  cleanups.push(() => api.stop());
  return api;
}

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };
const withPlugin = (name: string) => ({ uri: '/x', upstream, plugins: { [name]: {} } });

test('the list names the enabled plugins by priority', async () => {
  const api = await start({ more: 'plugins: [echo, key-auth, request-id, not-ours]' });
  expect((await api.call('GET', '/plugins/list')).body).toEqual(['request-id', 'key-auth', 'echo']);
  const bad = await api.call('GET', '/plugins/list?subsystem=x');
  expect([bad.status, bad.text]).toEqual([400, 'invalid subsystem passed']);
  expect(api.lines.join('\n')).toContain('plugins that are listed but unknown: not-ours');
});

test('a plugin is described by its schema, for routes and for consumers', async () => {
  const api = await start({ more: 'plugins: [echo, key-auth]' });
  const { body } = await api.call('GET', '/plugins/key-auth');
  expect(body.properties).toMatchObject({
    hide_credentials: { type: 'boolean' },
    _meta: { type: 'object' },
  });
  expect((await api.call('GET', '/schema/plugins/key-auth')).body).toEqual(body);
  const consumer = await api.call('GET', '/plugins/key-auth?schema_type=consumer');
  expect(consumer.body).toMatchObject({ required: ['key'] });

  const unknown = await api.call('GET', '/plugins/request-id');
  expect([unknown.status, unknown.body.error_msg]).toEqual([
    404,
    'plugin not found in subsystem http',
  ]);
  const none = await api.call('GET', '/plugins/echo?schema_type=consumer');
  expect([none.status, none.body.error_msg]).toEqual([400, 'not found schema']);
  const { body: all } = await api.call('GET', '/plugins?all=true');
  expect(Object.keys(all).toSorted()).toEqual(['echo', 'key-auth']);
  expect(all['key-auth']).toMatchObject({ type: 'auth', priority: 2500, version: 0.1 });
});

test('plugins of stream routes are listed and described apart', async () => {
  const api = await start({
    more: 'plugins: [echo]\nstream_plugins: [mqtt-proxy, ip-restriction, echo, limit-conn, syslog]',
  });
  const list = await api.call('GET', '/plugins/list?subsystem=stream');
  expect(list.body).toEqual(['ip-restriction', 'limit-conn', 'mqtt-proxy', 'syslog']);
  const { body: all } = await api.call('GET', '/plugins?all=true&subsystem=stream');
  expect(all['limit-conn']).toMatchObject({ priority: 1003, version: 0.1 });
  const { body: schema } = await api.call('GET', '/plugins/syslog?subsystem=stream');
  expect(schema).toMatchObject({
    properties: { name: { default: 'stream sys logger' }, pool_size: { minimum: 5 } },
    required: ['host', 'port'],
  });
  expect(Object.keys(schema['properties'] as object)).not.toContain('include_req_body');
  const none = await api.call('GET', '/plugins/echo?subsystem=stream');
  expect([none.status, none.body.error_msg]).toEqual([404, 'plugin not found in subsystem stream']);
});

test('a plugin that is not enabled cannot be configured, until a reload enables it', async () => {
  const api = await start({ more: 'plugins: [echo]' });
  const refused = await api.call('PUT', '/routes/1', withPlugin('request-id'));
  expect([refused.status, refused.body.error_msg]).toEqual([400, 'unknown plugin [request-id]']);

  await api.writeConfig('plugins: [echo, request-id]\nstream_plugins: [mqtt-proxy]\n');
  const reloaded = await api.call('PUT', '/plugins/reload');
  expect([reloaded.status, reloaded.text]).toEqual([200, 'done']);
  expect((await api.call('PUT', '/routes/1', withPlugin('request-id'))).status).toBe(201);
  expect((await api.store.get('/plugins'))?.value).toEqual([
    { name: 'echo' },
    { name: 'request-id' },
    { name: 'mqtt-proxy', stream: true },
  ]);
});

test('a reload reaches connected data planes', async () => {
  const api = await start({ more: 'plugins: [echo]' });
  const client = connectControlService({ address: api.controlAddress });
  cleanups.push(() => client.close());
  const stream = client.connect();
  const commands: ControlConnectResponse['command'][] = [];
  stream.on('data', ({ command }: ControlConnectResponse) => commands.push(command));
  stream.on('error', () => undefined);
  const hello = { instanceId: 'dp-1', hostname: 'host', version: '1' };
  stream.write({ report: { $case: 'hello', value: hello } });
  await vi.waitFor(
    async () => {
      const { body } = await api.call('GET', '/polygate/data-planes');
      expect(body).toMatchObject({ total: 1, list: [{ instance_id: 'dp-1', hostname: 'host' }] });
    },
    { timeout: 10_000 },
  );

  await api.writeConfig('plugins: [echo, key-auth]\n');
  await api.call('PUT', '/plugins/reload');
  await vi.waitFor(
    () =>
      expect(commands).toEqual([
        {
          $case: 'reloadPlugins',
          value: { generation: expect.any(Number), names: ['key-auth', 'echo'] },
        },
      ]),
    { timeout: 10_000 },
  );
});

test('a reload that fails says why and keeps the plugins and the stored list', async () => {
  const api = await start({ more: 'plugins: [echo]' });
  await api.writeConfig('plugins: not-a-list\n');
  const failed = await api.call('PUT', '/plugins/reload');
  expect(failed.status).toBe(503);
  expect(failed.body.error_msg).toMatch(/^failed to reload the plugins: .*plugins/);
  expect((await api.call('GET', '/plugins/list')).body).toEqual(['echo']);
  expect(await api.store.get('/plugins')).toBeUndefined();

  await api.writeConfig('plugins: [key-auth]\n');
  expect((await api.call('PUT', '/plugins/reload')).status).toBe(200);
  expect((await api.call('GET', '/plugins/list')).body).toEqual(['key-auth']);
});

test('only PUT reloads', async () => {
  const api = await start();
  for (const method of ['GET', 'POST', 'DELETE', 'PATCH']) {
    const { status, body } = await api.call(method, '/plugins/reload');
    expect([status, body.error_msg]).toEqual([
      405,
      `please use PUT method to reload the plugins, ${method} method is not allowed.`,
    ]);
  }
});

test('at the start a list that another process left is corrected, but none is made', async () => {
  const first = await start({ more: 'plugins: [echo]' });
  expect(await first.store.get('/plugins')).toBeUndefined();
  await first.store.put('/plugins', [{ name: 'old' }]);

  await start({ more: 'plugins: [echo]\nstream_plugins: []', store: first.store });
  await expect
    .poll(async () => (await first.store.get('/plugins'))?.value)
    .toEqual([{ name: 'echo' }]);
});

test('schemas of kinds are served, and objects checked against them', async () => {
  const api = await start();
  const { body } = await api.call('GET', '/schema/route');
  expect(body.properties).toHaveProperty('uri');
  const unknown = await api.call('GET', '/schema/nope');
  expect([unknown.status, unknown.body.error_msg]).toEqual([400, 'not found schema: nope']);
  expect((await api.call('PUT', '/schema/route', {})).status).toBe(404);

  const valid = await api.call('POST', '/schema/validate/routes', { uri: '/x', upstream });
  expect([valid.status, valid.text]).toEqual([200, '']);
  const invalid = await api.call('POST', '/schema/validate/routes', { uri: 666, upstream });
  expect([invalid.status, invalid.body.error_msg]).toEqual([
    400,
    'property "uri" validation failed: wrong type: expected string, got number',
  ]);
  const other = await api.call('POST', '/schema/validate/nope', {});
  expect([other.status, other.body.error_msg]).toEqual([404, 'Unsupported resource type: nope']);
});

test('metadata is checked by the schema of its plugin', async () => {
  const api = await start();
  const put = async (path: string, body: unknown) => {
    const reply = await api.call('PUT', `/plugin_metadata${path}`, body);
    return [reply.status, reply.body.error_msg ?? reply.body];
  };
  expect(await put('/echo', { a: 1 })).toEqual([
    201,
    { key: '/apisix/plugin_metadata/echo', value: { a: 1, id: 'echo' } },
  ]);
  expect(await put('', { a: 1 })).toEqual([400, 'missing plugin name']);
  expect(await put('/nope', { a: 1 })).toEqual([400, 'invalid plugin name']);
});

test('kinds that Polygate does not have are named as such', async () => {
  const api = await start();
  for (const kind of ['routs', 'credentials', 'constructor', '__proto__']) {
    const { status, body } = await api.call('GET', `/${kind}/1`);
    expect([status, body.error_msg]).toEqual([404, `Unsupported resource type: ${kind}`]);
  }
});
