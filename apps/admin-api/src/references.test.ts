import { afterEach, beforeEach, expect, test } from 'vitest';
import { runAdminApi, type RunningAdminApi } from './admin-api.harness.ts';

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };

let api: RunningAdminApi;
beforeEach(async () => {
  api = await runAdminApi();
});
afterEach(() => api.stop());

const put = async (path: string, body: unknown) => {
  expect((await api.call('PUT', path, body)).status).toBe(201);
};
const refused = async (method: string, path: string, body?: unknown) => {
  const reply = await api.call(method, path, body);
  expect(reply.status).toBe(400);
  return reply.body.error_msg as string;
};

test('a reference that leads nowhere is refused, by the name of the kind', async () => {
  const cases: [string, object, string][] = [
    ['/routes/1', { uri: '/x', upstream_id: 'no' }, 'upstream info by upstream id [no]'],
    ['/routes/1', { uri: '/x', service_id: 5 }, 'service info by service id [5]'],
    [
      '/routes/1',
      { uri: '/x', upstream, plugin_config_id: 'no' },
      'plugin config info by plugin config id [no]',
    ],
    ['/services/1', { upstream_id: 'no' }, 'upstream info by upstream id [no]'],
    [
      '/consumers',
      { username: 'jack', group_id: 'no' },
      'consumer group info by consumer group id [no]',
    ],
  ];
  for (const [path, body, what] of cases) {
    expect(await refused('PUT', path, body)).toBe(`failed to fetch ${what}, response code: 404`);
  }
});

test('a reference to an object that is there is accepted', async () => {
  await put('/upstreams/1', upstream);
  await put('/services/1', { upstream_id: 1 });
  await put('/plugin_configs/1', { plugins: {} });
  await put('/routes/1', { uri: '/x', upstream_id: '1', service_id: 1, plugin_config_id: '1' });
});

test('an upstream names a client certificate that is there, or is refused', async () => {
  const withCertificate = { ...upstream, scheme: 'https', tls: { client_cert_id: 'c' } };
  const holders: [string, object][] = [
    ['/upstreams/1', withCertificate],
    ['/services/1', { upstream: withCertificate }],
    ['/routes/1', { uri: '/x', upstream: withCertificate }],
  ];
  const fault = 'failed to fetch ssl info by ssl id [c]';
  for (const [path, body] of holders) {
    expect(await refused('PUT', path, body)).toBe(`${fault}, response code: 404`);
  }
  await api.store.put('/ssls/c', { type: 'server' });
  for (const [path, body] of holders) {
    expect(await refused('PUT', path, body)).toBe(`${fault}, wrong ssl type`);
  }
  await api.store.put('/ssls/c', { type: 'client' });
  for (const [path, body] of holders) await put(path, body);
});

test('what is in use cannot be deleted, unless forced', async () => {
  await put('/upstreams/1', upstream);
  await put('/services/1', { upstream_id: '1' });
  await put('/plugin_configs/1', { plugins: {} });
  await put('/consumer_groups/g', { plugins: {} });
  await put('/consumers', { username: 'jack', group_id: 'g' });
  const route = { uri: '/x', upstream_id: 1, service_id: '1', plugin_config_id: 1 };
  await put('/routes/7', route);

  const still = 'is still using it now';
  expect(await refused('DELETE', '/upstreams/1')).toBe(
    `can not delete this upstream, route [7] ${still}`,
  );
  expect(await refused('DELETE', '/services/1')).toBe(
    `can not delete this service directly, route [7] ${still}`,
  );
  expect(await refused('DELETE', '/plugin_configs/1')).toBe(
    `can not delete this plugin config, route [7] ${still}`,
  );
  expect(await refused('DELETE', '/consumer_groups/g')).toBe(
    `can not delete this consumer group, consumer [jack] ${still}`,
  );
  expect((await api.call('DELETE', '/plugin_configs/1?force=false')).status).toBe(400);
  for (const path of ['upstreams/1', 'services/1', 'plugin_configs/1', 'consumer_groups/g']) {
    expect((await api.call('DELETE', `/${path}?force=true`)).status).toBe(200);
  }
});

test('an upstream that only a service or a traffic-split rule uses cannot be deleted', async () => {
  await put('/upstreams/1', upstream);
  await put('/services/2', { upstream_id: 1 });
  expect(await refused('DELETE', '/upstreams/1')).toContain('service [2] is still using it now');
  await api.call('DELETE', '/services/2');

  const rules = [{ weighted_upstreams: [{ weight: 1 }, { upstream_id: 1, weight: 1 }] }];
  const plugins = { 'traffic-split': { rules } };
  const holders: [string, string][] = [
    ['routes/r', 'route [r]'],
    ['services/s', 'service [s]'],
    ['plugin_configs/p', 'plugin_config [p]'],
    ['consumers/jack', 'consumer [jack]'],
    ['consumer_groups/g', 'consumer_group [g]'],
    ['global_rules/x', 'global_rules [x]'],
  ];
  for (const [key, holder] of holders) {
    await api.store.put(`/${key}`, { plugins });
    expect(await refused('DELETE', '/upstreams/1')).toBe(
      `can not delete this upstream, plugin in ${holder} is still using it now`,
    );
    await api.store.delete(`/${key}`);
  }
  expect((await api.call('DELETE', '/upstreams/1')).status).toBe(200);
});

test('a plugin stands in one global rule only', async () => {
  await put('/global_rules/1', { plugins: { 'request-id': {} } });
  expect(await refused('PUT', '/global_rules/2', { plugins: { 'request-id': {} } })).toBe(
    "plugin 'request-id' already exists in global rule with id '1'",
  );
  const again = await api.call('PUT', '/global_rules/1', { plugins: { 'request-id': {} } });
  expect(again.status).toBe(200);
});

test('a credential belongs to one consumer only', async () => {
  const withKey = (username: string, key: string) => ({
    username,
    plugins: { 'key-auth': { key } },
  });
  await put('/consumers', withKey('jack', 'one'));
  expect(await refused('PUT', '/consumers', withKey('rose', 'one'))).toBe(
    'duplicate key of plugin key-auth found with consumer: jack',
  );
  await put('/consumers', withKey('rose', 'two'));
  expect((await api.call('PUT', '/consumers', withKey('jack', 'one'))).status).toBe(200);
  // which secret a reference stands for is not known when it is written
  await put('/consumers', withKey('a', '$secret://vault/1/key'));
  await put('/consumers', withKey('b', '$secret://vault/1/key'));
});

test('consumers may have one application of wolf-rbac, or one key of jwe-decrypt, in common', async () => {
  const secret = '12345678901234567890123456789012';
  for (const username of ['jack', 'rose']) {
    const plugins = { 'wolf-rbac': { appid: 'app' }, 'jwe-decrypt': { key: 'k', secret } };
    await put('/consumers', { username, plugins });
  }
});
