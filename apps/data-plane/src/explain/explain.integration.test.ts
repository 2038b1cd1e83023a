import { controlService, startGrpcServer } from '@polygate/rpc';
import type { ControlConnectRequest, ControlServiceServer, Explain } from '@polygate/rpc';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, runGateway } from '../gateway.harness.ts';
import type { RunningGateway } from '../gateway.harness.ts';

/* eslint-disable @typescript-eslint/no-explicit-any -- the document is looked into as it comes */

let gateway: RunningGateway;
let explain: (question: Partial<Explain>) => Promise<any>;
let stop: () => Promise<void>;

const node = { type: 'roundrobin', nodes: { '127.0.0.1:1': 1 } };
const headers = (value: string): object => ({
  'proxy-rewrite': { headers: { set: { a: value } } },
});

beforeAll(async () => {
  process.env['EXPLAIN_TEST_SECRET'] = 'the-secret-value';
  gateway = await runGateway({ workers: 1, apisix: 'enable_admin: true' });
  const answers = new Map<number, (value: any) => void>();
  let stream: Parameters<ControlServiceServer['connect']>[0] | undefined;
  const server = await startGrpcServer({
    address: `unix:${gateway.folder}/control.sock`,
    services: [
      controlService({
        connect: (opened) => {
          stream = opened;
          opened.on('data', ({ report }: ControlConnectRequest) => {
            if (report?.$case !== 'explanation') return;
            const { questionId, outcome } = report.value;
            const text = outcome?.value ?? '';
            const isDocument = outcome?.$case === 'document';
            answers.get(questionId)?.(isDocument ? JSON.parse(text) : { failure: text });
          });
          opened.on('error', () => undefined);
        },
      }),
    ],
  });
  await eventually(() => stream !== undefined);
  let id = 0;
  explain = (question) =>
    new Promise((resolve) => {
      const questionId = ++id;
      answers.set(questionId, resolve);
      const value: Explain = {
        questionId,
        method: 'GET',
        target: '/',
        headers: [],
        clientAddress: '127.0.0.1',
        scheme: 'http',
        consumer: '',
        body: undefined,
        ...question,
      };
      stream?.write({ command: { $case: 'explain', value } });
    });
  stop = async () => {
    await gateway.stop();
    await server.stop(0);
  };
  await gateway.put('/upstreams/u', { ...node, retries: 3 });
  await gateway.put('/services/s', {
    upstream_id: 'u',
    plugins: { ...headers('service'), 'ip-restriction': { whitelist: ['127.0.0.1'] } },
  });
  await gateway.put('/plugin_configs/p', { plugins: headers('plugin config') });
  await gateway.put('/global_rules/g', { plugins: { 'request-id': {} } });
  await gateway.put('/consumer_groups/team', {
    plugins: { 'response-rewrite': { headers: { set: { b: 'group' } } } },
  });
  await gateway.put('/consumers/jack', {
    username: 'jack',
    group_id: 'team',
    plugins: { 'key-auth': { key: '$env://EXPLAIN_TEST_SECRET' } },
  });
  await gateway.put('/routes/main', {
    uri: '/a/*',
    host: 'a.test',
    priority: 5,
    service_id: 's',
    plugin_config_id: 'p',
    plugins: { 'key-auth': {}, ...headers('$env://EXPLAIN_TEST_SECRET') },
  });
  await gateway.put('/routes/post', {
    uri: '/a/*',
    host: 'a.test',
    methods: ['POST'],
    priority: 9,
    upstream: node,
  });
  await gateway.put('/routes/weak', { uri: '/a/*', host: 'a.test', upstream: node });
  await gateway.put('/routes/off', { uri: '/a/b', host: 'a.test', status: 0, upstream: node });
  await gateway.put('/routes/other', { uri: '/a/b', host: 'b.test', upstream: node });
  await gateway.put('/routes/vars', {
    uri: '/a/b',
    host: 'a.test',
    remote_addr: '10.0.0.0/8',
    vars: [
      ['arg_x', '==', '1'],
      ['http_y', '==', 'yes'],
    ],
    upstream: node,
  });
}, 30_000);

afterAll(() => stop());

const host = (value: string): { headers: { name: string; value: string }[] } => ({
  headers: [{ name: 'Host', value }],
});

test('names the route that is matched, and for every near miss each condition that failed', async () => {
  const document = await explain({ target: '/a/b?x=1', ...host('a.test') });
  expect(document.route).toMatchObject({
    id: 'main',
    service_id: 's',
    uri: '/a/*',
    host: 'a.test',
  });
  const byRoute = Object.fromEntries(document.candidates.map((one: any) => [one.route, one]));
  expect(document.candidates.slice(0, 4).map((one: any) => [one.route, one.outcome])).toEqual([
    ['vars', 'failed'],
    ['post', 'failed'],
    ['main', 'matched'],
    ['weak', 'behind'],
  ]);
  expect(byRoute.vars.failed).toEqual([
    { condition: 'remote_addr', expected: ['10.0.0.0/8'], actual: '127.0.0.1' },
    { condition: 'vars', expected: [['http_y', '==', 'yes']], actual: { http_y: null } },
  ]);
  expect(byRoute.post.failed).toEqual([{ condition: 'method', expected: ['POST'], actual: 'GET' }]);
  expect(byRoute.weak).toMatchObject({ failed: [], behind: 'priority' });
  expect(byRoute.off.failed).toEqual([{ condition: 'status', expected: 1, actual: 0 }]);
  expect(byRoute.other.failed).toEqual([
    { condition: 'host', expected: ['b.test'], actual: 'a.test' },
  ]);
});

test('says for each plugin where its conf stands and what it took the place of', async () => {
  const document = await explain({ target: '/a/c', ...host('a.test'), consumer: 'jack' });
  expect(document.layers).toEqual([
    'service/s',
    'plugin_config/p',
    'route/main',
    'consumer_group/team',
    'consumer/jack',
  ]);
  expect(document.plugins.map((plugin: any) => [plugin.name, plugin.from])).toEqual([
    ['ip-restriction', 'service/s'],
    ['key-auth', 'consumer/jack'],
    ['proxy-rewrite', 'route/main'],
    ['response-rewrite', 'consumer_group/team'],
  ]);
  const rewrite = document.plugins.find((plugin: any) => plugin.name === 'proxy-rewrite');
  expect(rewrite.overrides).toEqual([
    { from: 'service/s', conf: headersConf('service') },
    { from: 'plugin_config/p', conf: headersConf('plugin config') },
  ]);
  expect(document.global_rules).toMatchObject([{ name: 'request-id', from: 'global_rule/g' }]);
  expect(document.phases.rewrite).toEqual([
    { name: 'request-id', from: 'global_rule/g' },
    { name: 'key-auth', from: 'route/main' },
    { name: 'proxy-rewrite', from: 'route/main' },
  ]);
  expect(document.consumer).toEqual({ username: 'jack', found: true, group: 'team' });
  expect(document.upstream).toMatchObject({ from: 'service/s', id: 'u', retries: 3 });
  expect(document.upstream.nodes).toEqual([{ host: '127.0.0.1', port: 1, weight: 1, priority: 0 }]);
});

function headersConf(value: string): object {
  return { headers: { set: { a: value } }, use_real_request_uri_unsafe: false };
}

test('shows references to secrets as they were written, never their values', async () => {
  const document = await explain({ target: '/a/c', ...host('a.test'), consumer: 'jack' });
  const text = JSON.stringify(document);
  expect(text).toContain('$env://EXPLAIN_TEST_SECRET');
  expect(text).not.toContain('the-secret-value');
});

test('says what is answered where no route matches, or the target is malformed', async () => {
  const none = await explain({ target: '/nowhere', ...host('a.test') });
  expect(none).toMatchObject({ route: null, candidates: [], answer: { status: 404 } });
  expect(none.global_rules).toHaveLength(1);
  const bad = await explain({ target: '/a%zz' });
  expect(bad.answer).toMatchObject({ status: 400 });
});

test('agrees with what a real request meets', async () => {
  const real = await gateway.get('/a/b', { method: 'POST', headers: { host: 'a.test' } });
  // nobody listens at the node of route `post`, which has no plugins; `main` would answer 401
  expect(real.status).toBe(502);
  const document = await explain({ method: 'POST', target: '/a/b', ...host('a.test') });
  expect(document.route.id).toBe('post');
});
