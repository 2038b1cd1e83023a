import { afterEach, beforeEach, expect, test } from 'vitest';
import { runAdminApi, type RunningAdminApi } from './admin-api.harness.ts';

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };

let api: RunningAdminApi;
beforeEach(async () => {
  api = await runAdminApi();
});
afterEach(() => api.stop());

const validate = (body?: unknown) => api.call('POST', '/configs/validate', body);

test('a valid configuration is accepted, dangling references and all, and not stored', async () => {
  const { status, body } = await validate({
    routes_conf_version: 1,
    routes: [{ id: 'r1', uri: '/x', upstream_id: 'no' }],
    consumers: [{ username: 'jack' }],
    plugin_metadata: [{ id: 'echo', a: 1 }],
    upstreams: [{ id: 1, ...upstream }],
    plugins: [{ name: 'echo' }],
    // what a document of standalone mode has besides, and empty tables of Lua
    'X-Digest': 'abc',
    services: {},
  });
  expect([status, body]).toEqual([200, {}]);
  expect((await api.store.list('/')).items).toEqual([]);
});

test('every fault is named with its kind, id and place', async () => {
  const { status, body } = await validate({
    routes_conf_version: 'x',
    routes: [
      { id: 'r1', uri: '/x', upstream },
      { id: 'r1', uri: 5, upstream },
      { id: 'r2', uri: '/x', upstream, plugins: { nope: {} } },
      'text',
    ],
    consumers: [{ username: 'jack' }, { username: 'jack' }],
    protos: { id: 1 },
  });
  expect(status).toBe(400);
  expect(body.error_msg).toBe('Configuration validation failed');
  const at = (resource_type: string, resource_id: unknown, index: number, error: unknown) => ({
    resource_type,
    resource_id,
    index,
    error,
  });
  expect(body.errors).toEqual([
    { resource_type: 'routes', error: 'routes_conf_version must be a number, got string' },
    at('routes', 'r1', 1, expect.stringContaining('property "uri" validation failed')),
    at('routes', 'r1', 1, 'found duplicate id r1 in routes'),
    at('routes', 'r2', 2, 'unknown plugin [nope]'),
    at('routes', '', 3, 'expected an object'),
    at('consumers', 'jack', 1, 'found duplicate username jack in consumers'),
    { resource_type: 'protos', error: 'protos must be a list' },
  ]);
});

test('a body that is missing or no object is refused', async () => {
  expect((await validate()).body.error_msg).toBe('invalid request body: empty request body');
  expect((await validate([])).status).toBe(400);
});
