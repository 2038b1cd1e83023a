import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  memoryMetrics,
  memoryNode,
  memorySettings,
  memorySharedState,
  mountPlugin,
  runPlugin,
  validConf,
} from '@polygate/testing';
import type { PluginRequest } from '@polygate/testing';
import { PHASES } from '@polygate/plugin-sdk';
import type { ConsumerMatch, Plugin, PluginEnvironment } from '@polygate/plugin-sdk';
import { beforeAll, expect, test } from 'vitest';
import { checkUserPlugin } from './check-user-plugin.ts';
import { listPlugins, readPlugin } from './user-plugin-files.ts';
import { importUserPlugin } from './user-plugin-modules.ts';

// The examples of docs/plugins.md, loaded as they are from a user's folder.
const EXAMPLES = join(import.meta.dirname, '../../../plugin-sdk/examples');
const plugins = new Map<string, Plugin>();
beforeAll(async () => {
  for (const listed of await listPlugins(EXAMPLES)) {
    plugins.set(listed.name, await importUserPlugin(await readPlugin(listed)));
  }
});

function plugin(name: string): Plugin {
  return checkUserPlugin(name, plugins.get(name));
}

function mount(name: string, conf: object, env: Partial<PluginEnvironment> = {}) {
  return mountPlugin(plugin(name), validConf(plugin(name).definition, conf), env);
}

const ask = (name: string, conf: object, request: PluginRequest = {}) =>
  mount(name, conf).request(request);

test('there is an example for every phase', () => {
  const missing = PHASES.filter((phase) => [...plugins.values()].every((one) => !one[phase]));
  expect(missing).toEqual([]);
});

test('move-path moves a path and drops what is for it alone', async () => {
  const conf = { from: '/api', to: '/v2' };
  const moved = await ask('move-path', conf, { target: '/api/a?debug=1&b=2' });
  expect(moved.upstreamRequest).toMatchObject({ path: '/v2/a', query: 'b=2' });
  expect(moved.upstreamRequest?.headers.get('X-Original-Path')).toBe('/api/a');
  const other = await ask('move-path', conf, { target: '/else' });
  expect(other.upstreamRequest?.path).toBeUndefined();
});

test('require-header refuses what lacks it, and a conf with a broken pattern', async () => {
  const conf = { header: 'X-Team', pattern: '^[a-z]+$' };
  expect((await ask('require-header', conf)).status).toBe(403);
  expect((await ask('require-header', conf, { headers: { 'X-Team': 'A1' } })).status).toBe(403);
  expect((await ask('require-header', conf, { headers: { 'X-Team': 'blue' } })).status).toBe(200);
  const broken = { header: 'X-Team', pattern: '(' };
  expect(() => mount('require-header', broken)).toThrow('pcre_compile() failed');
});

test('sign-attempt signs what is sent', async () => {
  const { upstreamRequest } = await ask('sign-attempt', { key: '0123456789abcdef' });
  expect(upstreamRequest?.headers.get('X-Attempt')).toBe('1');
  expect(upstreamRequest?.headers.get('X-Signature')).toMatch(/^[0-9a-f]{64}$/);
});

test('wrap-answer wraps JSON, leaves the rest, and answers for what is broken', async () => {
  const headers = { 'Content-Type': 'application/json' };
  const wrapped = await ask('wrap-answer', {}, { upstream: { headers, body: ['{"a"', ':1}'] } });
  expect(wrapped.text).toBe('{"status":200,"data":{"a":1}}');
  expect((await ask('wrap-answer', {})).text).toBe('hello world\n');
  const broken = await ask('wrap-answer', {}, { upstream: { headers, body: '{' } });
  expect(broken.status).toBe(502);
});

test('hide-headers hides those of upstreams', async () => {
  const upstream = { headers: { Server: 'secret', 'X-A': '1' } };
  const { headers } = await ask('hide-headers', { headers: ['server'] }, { upstream });
  expect(headers.toRaw()).toEqual(['X-A', '1']);
});

test('shout changes chunks without cutting characters', async () => {
  const body = [Buffer.from('aé').subarray(0, 2), Buffer.from('aé').subarray(2)];
  const run = await ask('shout', {}, { upstream: { body, headers: { 'Content-Length': '3' } } });
  expect(run.text).toBe('Aé!');
  expect(run.headers.get('Content-Length')).toBeUndefined();
});

test('body-digest logs the digest of what the client got', async () => {
  const { log } = await ask('body-digest', {}, { upstream: { body: ['a', 'b'] } });
  const digest = createHash('sha256').update('ab').digest('hex');
  expect(log).toEqual([`info: sha256 of the body: ${digest}`]);
});

test('slow-requests counts and logs what takes long', async () => {
  const metrics = memoryMetrics();
  const slow = mount('slow-requests', {}, { metrics, metadata: { note: 'zzz' } });
  await slow.request();
  expect(metrics.labelSets('slow_requests_duration_ms')).toEqual([]);
  const { log } = await slow.request({ startTimeMs: Date.now() - 5000 });
  expect(log.join()).toMatch(/^warn: zzz: \/hello took \d+ ms$/);
  expect(metrics.observed('slow_requests_duration_ms', ['1'])).toHaveLength(1);
});

test('daily-quota counts by client, over confs', async () => {
  const shared = memorySharedState();
  const first = mount('daily-quota', { count: 2 }, { shared });
  expect((await first.request()).headers.get('X-Quota-Remaining')).toBe('1');
  const second = mount('daily-quota', { count: 2 }, { shared });
  expect((await second.request()).status).toBe(200);
  const refused = await second.request();
  expect([refused.status, refused.headers.get('Retry-After')]).toEqual([429, '86400']);
  expect((await second.request({ clientAddress: '10.0.0.9' })).status).toBe(200);
});

test('token-auth finds the consumer and hides the token', async () => {
  const jack: ConsumerMatch = {
    username: 'jack',
    groupId: undefined,
    labels: undefined,
    customId: undefined,
    credentialId: undefined,
    authConf: {},
  };
  const consumersByKey = { 'token-auth': { 'open sesame': jack } };
  expect((await ask('token-auth', {}, { consumersByKey })).status).toBe(401);
  const headers = { 'X-Token': 'open sesame' };
  const { upstreamRequest } = await ask('token-auth', {}, { consumersByKey, headers });
  expect(upstreamRequest?.headers.get('X-Consumer-Username')).toBe('jack');
  expect(upstreamRequest?.headers.get('X-Token')).toBeUndefined();
});

test('gateway-facts has an endpoint of its own', async () => {
  const sources = {
    metadata: () => ({ motto: 'carpe diem' }),
    settings: memorySettings(),
    node: memoryNode(),
  };
  const [api] = plugin('gateway-facts').publicApis?.({ uri: '/facts' }, sources) ?? [];
  expect(api?.path).toBe('/facts');
  const { ctx } = await runPlugin(plugin('hide-headers'), { headers: ['x'] });
  expect(await api?.handle(ctx)).toMatchObject({ status: 200, body: { motto: 'carpe diem' } });
});
