import { expect, test } from 'vitest';
import type { ControlApiRequest, PluginDefinition } from '@polygate/plugin-sdk';
import type { ConfigItem } from '../config/config-item.ts';
import type { ControlView } from './control-view.ts';
import { dispatch } from './endpoints.ts';
import type { CheckedNode } from './health-checks.ts';

const serverInfo: PluginDefinition = {
  name: 'server-info',
  version: 0.1,
  priority: 990,
  scope: 'global',
  schema: { type: 'object' },
};
const info = { boot_time: 1, etcd_version: 'unknown', hostname: 'h', id: 'i', version: '1' };

function viewOf(parts: Partial<ControlView> = {}): ControlView {
  return {
    items: () => [],
    plugins: () => [],
    listed: () => [],
    streamPlugins: () => [],
    pluginEndpoints: () => Promise.resolve([]),
    source: { keyPrefix: '', hasCreatedIndex: false },
    checkedNodes: () => [],
    reloadPlugins: () => Promise.resolve(),
    collectGarbage: () => Promise.resolve(),
    registry: () => undefined,
    runners: () => Promise.resolve([]),
    serverInfo: () => info,
    ...parts,
  };
}

const get = (path: string, parts: Partial<ControlView> = {}, accept?: string) =>
  dispatch({ method: 'GET', path, accept }, viewOf(parts));

test('server_info is there while the plugin server-info is on', async () => {
  expect(await get('/v1/server_info')).toEqual({ status: 404 });
  const plugins = () => [serverInfo];
  expect(await get('/v1/server_info', { plugins })).toEqual({ status: 200, body: info });
  expect(await get('/v1/schema', { plugins })).toMatchObject({
    body: { plugins: { 'server-info': { scope: 'global', version: 0.1 } } },
  });
});

test('a plugin has endpoints of its own, beside those of the Control API', async () => {
  const pluginEndpoints = () =>
    Promise.resolve([
      {
        methods: ['GET'],
        path: '/v1/plugin/p/q',
        handle: ({ query }: ControlApiRequest) => ({ status: 200, body: { query } }),
      },
    ]);
  const ask = (method: string, path: string) =>
    dispatch({ method, path, query: 'a=1', accept: undefined }, viewOf({ pluginEndpoints }));
  expect(await ask('GET', '/v1/plugin/p/q')).toEqual({
    status: 200,
    body: { query: [{ name: 'a', value: '1' }] },
  });
  expect(await ask('POST', '/v1/plugin/p/q')).toEqual({ status: 404 });
  expect(await ask('GET', '/v1/plugin/p')).toEqual({ status: 404 });
});

test('metadata of enabled plugins come in the order of the list that enables them', async () => {
  const metadata = (id: string): ConfigItem => ({
    kind: 'plugin_metadata',
    id,
    value: {},
    createdIndex: 1,
    modifiedIndex: 1,
  });
  const items = () => ['a', 'off', 'b'].map(metadata);
  expect(await get('/v1/plugin_metadatas', { items, listed: () => ['b', 'none', 'a'] })).toEqual({
    status: 200,
    body: [{ id: 'b' }, { id: 'a' }],
  });
});

test('items of a standalone file have no prefix and no createdIndex', async () => {
  const item: ConfigItem = {
    kind: 'upstreams',
    id: '1',
    value: { type: 'roundrobin', nodes: [{ host: '::1', port: 80, weight: 1 }] },
    createdIndex: 3,
    modifiedIndex: 7,
  };
  expect(await get('/v1/upstream/1', { items: () => [item] })).toEqual({
    status: 200,
    body: {
      key: '/upstreams/1',
      modifiedIndex: 7,
      has_domain: false,
      value: {
        id: '1',
        type: 'roundrobin',
        nodes: [{ host: '::1', port: 80, weight: 1 }],
        resource_key: '/upstreams/1',
        resource_version: 7,
        resource_id: '1',
      },
    },
  });
});

const counter = { success: 0, tcp_failure: 2, http_failure: 0, timeout_failure: 0 };
const nodes: readonly CheckedNode[] = [
  { ip: '127.0.0.1', port: 80, status: 'healthy', counter: { ...counter, tcp_failure: 0 } },
  { ip: '127.0.0.2', port: 81, status: 'unhealthy', counter },
];
const checked: ConfigItem = {
  kind: 'services',
  id: '<b>',
  value: { upstream: { checks: { passive: { type: 'https' } } } },
  createdIndex: 1,
  modifiedIndex: 1,
};

test('nodes that are checked are listed with what is known of them', async () => {
  const view = { items: () => [checked], checkedNodes: () => nodes };
  const status = { name: '/services/<b>', type: 'https', nodes };
  expect(await get('/v1/healthcheck', view)).toEqual({ status: 200, body: [status] });
  expect(await get('/v1/healthcheck/services/<b>', view)).toEqual({ status: 200, body: status });
});

test('the page of health checks escapes names and marks what is down', async () => {
  const view = { items: () => [checked], checkedNodes: () => nodes };
  const { body } = (await get('/v1/healthcheck', view, 'text/html')) as { body: string };
  expect(body).toContain('<td>/services/&lt;b&gt;</td>');
  expect(body).not.toContain('<b>');
  const rows = body.split('\n');
  expect(rows.find((row) => row.includes('127.0.0.1:80'))).not.toContain('bgcolor');
  expect(rows.find((row) => row.includes('127.0.0.2:81'))).toContain('bgcolor="#FF0000"');
});
