import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, runGateway, startUpstream } from '../gateway.harness.ts';
import type { RunningGateway, TestUpstream } from '../gateway.harness.ts';

let gateway: RunningGateway;
let upstream: TestUpstream;

beforeAll(async () => {
  upstream = await startUpstream();
  gateway = await runGateway({});
  const target = { type: 'roundrobin', nodes: { [upstream.node]: 1 } };
  await gateway.put('/routes/plain', { uri: '/plain', upstream: target });
  const plugins = {
    'request-id': {},
    'ip-restriction': { whitelist: ['127.0.0.1'] },
    'response-rewrite': { body: 'new' },
    prometheus: {},
  };
  await gateway.put('/routes/busy', { uri: '/busy', plugins, upstream: target });
  const closed = { 'ip-restriction': { whitelist: ['10.0.0.1'] }, 'response-rewrite': {} };
  await gateway.put('/routes/closed', { uri: '/closed', plugins: closed, upstream: target });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const executed = async (path: string): Promise<unknown> =>
  (await gateway.get(path)).headers['apisix-plugins'];
const debug = (text: string): Promise<void> =>
  writeFile(join(gateway.folder, 'debug.yaml'), `${text}\n#END\n`);

test('without a debug file answers do not say which plugins ran', async () => {
  expect(await executed('/busy')).toBeUndefined();
});

test('in debug mode they do', async () => {
  await debug('basic: {enable: true}\nhook_conf: {enable: true}');
  await eventually(async () => (await executed('/plain')) === 'no plugin');
  expect(await executed('/nowhere')).toBe('no plugin');
  const steps = String(await executed('/busy')).split(', ');
  expect(steps).toContain('ip-restriction#access');
  expect(steps).toContain('response-rewrite#body_filter');
  expect(steps.at(-1)).toBe('prometheus#log');
  expect(steps.indexOf('response-rewrite#header_filter')).toBeLessThan(
    steps.indexOf('response-rewrite#body_filter'),
  );
  expect(new Set(steps).size).toBe(steps.length);
});

test('a plugin that ends the request is named, one that did not come to run only later', async () => {
  const steps = String(await executed('/closed')).split(', ');
  expect(steps[0]).toBe('ip-restriction#access');
});

test('the log names the plugins, and says that hooks have no effect', () => {
  const log = gateway.lines.join('');
  expect(log).toContain('loaded plugin and sort by priority: 3000 name: ip-restriction');
  expect(log.match(/hook_conf has no effect/g)).toHaveLength(1);
});

test('global rules are named for what they ran before the head', async () => {
  await gateway.put('/global_rules/1', { plugins: { 'response-rewrite': { body: 'x' } } });
  expect(await executed('/plain')).toBe('response-rewrite#header_filter');
  await gateway.remove('/global_rules/1');
});

test('it ends when the file goes', async () => {
  await rm(join(gateway.folder, 'debug.yaml'));
  await eventually(async () => (await executed('/plain')) === undefined);
});
