import { afterAll, beforeAll, expect, test } from 'vitest';
import { runAdminApi, type RunningAdminApi } from '../admin-api.harness.ts';

// Schemas take a reference to a secret wherever a string may stand: an id is none of these places.

let api: RunningAdminApi;
beforeAll(async () => {
  api = await runAdminApi({
    more: 'apisix: { proxy_mode: http&stream, stream_proxy: { tcp: [9100] } }',
  });
});
afterAll(() => api.stop());

const REFERENCES = ['$secret://', '$secret://vault/1/a', '$env://X', '$ENV://../routes/1'];
const upstream = { nodes: { '127.0.0.1:80': 1 } };

test.each(REFERENCES)('%s is no id of an object', async (id) => {
  const bodies = {
    '/routes': { id, uri: '/', upstream },
    '/services': { id },
    '/upstreams': { id, ...upstream },
    '/consumers': { username: id },
    '/plugin_configs': { id, plugins: {} },
    '/global_rules': { id, plugins: {} },
    '/stream_routes': { id, upstream },
    '/protos': { id, content: 'syntax = "proto3"; message A {}' },
  };
  for (const [path, body] of Object.entries(bodies)) {
    const { status, text } = await api.call('PUT', path, body);
    expect([path, status, text]).toEqual([path, 400, expect.stringMatching(/"wrong .* id"/)]);
    const changes = [{ method: 'PUT', path, body }];
    const many = await api.call('POST', '/polygate/transaction', { changes });
    expect([path, many.status]).toEqual([path, 400]);
  }
  expect((await api.store.list('/')).items).toEqual([]);
});

test.each(REFERENCES)('%s refers to nothing', async (id) => {
  for (const [path, body] of Object.entries({
    '/routes/1': { uri: '/', upstream_id: id },
    '/routes/2': { uri: '/', service_id: id },
    '/routes/3': { uri: '/', plugins: {}, plugin_config_id: id },
    '/upstreams/1': { ...upstream, tls: { client_cert_id: id } },
    '/consumers/a': { username: 'a', group_id: id },
    '/stream_routes/1': { upstream, protocol: { name: 'redis', superior_id: id } },
  })) {
    const { status, body: said } = await api.call('PUT', path, body);
    expect([path, status, said.error_msg]).toEqual([path, 400, expect.any(String)]);
  }
  expect((await api.store.list('/')).items).toEqual([]);
});
