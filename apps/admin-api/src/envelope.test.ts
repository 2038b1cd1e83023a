import { afterEach, beforeEach, expect, test } from 'vitest';
import { ADMIN_KEY, runAdminApi, type RunningAdminApi } from './admin-api.harness.ts';

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };

let api: RunningAdminApi;
beforeEach(async () => {
  api = await runAdminApi({
    admin: `admin_key: [{ name: a, key: ${ADMIN_KEY} }]\n    admin_api_version: v2`,
    prefix: '/other',
  });
});
afterEach(() => api.stop());

test('with another admin_api_version than v3 answers have action and node', async () => {
  const put = await api.call('PUT', '/upstreams/1', upstream);
  const node = { key: '/other/upstreams/1', value: expect.objectContaining(upstream) };
  expect(put.headers.get('x-api-version')).toBe('v2');
  expect(put.body).toEqual({ action: 'set', node });
  expect((await api.call('PATCH', '/upstreams/1', { desc: 'x' })).body).toMatchObject({
    action: 'compareAndSwap',
    node: { key: '/other/upstreams/1', value: { desc: 'x' } },
  });
  expect((await api.call('GET', '/upstreams/1')).body).toEqual({ action: 'get', node });
  expect((await api.call('GET', '/upstreams')).body).toEqual({
    action: 'get',
    node: {
      key: '/other/upstreams',
      dir: true,
      nodes: [{ ...node, createdIndex: expect.any(Number), modifiedIndex: expect.any(Number) }],
    },
  });
  expect((await api.call('DELETE', '/upstreams/1')).body).toEqual({
    action: 'delete',
    deleted: '1',
    key: '/other/upstreams/1',
    node: {},
  });
  expect((await api.call('POST', '/upstreams', upstream)).body.action).toBe('create');
});
