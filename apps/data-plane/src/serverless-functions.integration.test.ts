import { afterAll, beforeAll, expect, test } from 'vitest';
import { runGateway, startUpstream } from './gateway.harness.ts';
import type { RunningGateway, TestUpstream } from './gateway.harness.ts';

let gateway: RunningGateway;
let upstream: TestUpstream;

beforeAll(async () => {
  upstream = await startUpstream();
  gateway = await runGateway({ polygate: 'serverless_javascript: true' });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const put = (id: string, plugins: object): Promise<void> =>
  gateway.put(`/routes/${id}`, {
    uri: `/${id}`,
    upstream: { type: 'roundrobin', nodes: { [upstream.node]: 1 } },
    plugins,
  });

test('a function changes the request on its way, and the answer on its way back', async () => {
  await put('both', {
    'serverless-pre-function': {
      phase: 'rewrite',
      functions: [
        '(conf, ctx) => { ctx.request.headers.set("X-By", ctx.route.id); ctx.request.path = "/to"; }',
      ],
    },
    'serverless-post-function': {
      phase: 'body_filter',
      functions: ['(conf, ctx) => { ctx.response.body = "[" + ctx.response.body + "]"; }'],
    },
  });
  const { status, text } = await gateway.get('/both');
  expect(status).toBe(200);
  const [seen] = JSON.parse(text) as { url: string; headers: Record<string, string> }[];
  expect(seen).toMatchObject({ url: '/to', headers: { 'x-by': 'both' } });
});

test('a function answers in the place of the upstream; one that breaks ends the request', async () => {
  const functions = ['(conf, ctx) => ctx.request.args.bad ? none() : ctx.exit(402, { a: 1 })'];
  await put('own', { 'serverless-pre-function': { functions } });
  const before = upstream.requests.length;
  expect(await gateway.get('/own')).toMatchObject({ status: 402, text: '{"a":1}\n' });
  expect((await gateway.get('/own?bad=1')).status).toBe(500);
  expect(upstream.requests).toHaveLength(before);
});

test('a function changes the answers that the gateway gives, whoever gives them', async () => {
  const functions = ['(status, body, headers) => [status + 1, { was: body }, { "X-A": "b" }]'];
  await put('exit', { 'exit-transformer': { functions }, 'key-auth': {} });
  const { status, text, headers } = await gateway.get('/exit');
  expect(status).toBe(402);
  expect(JSON.parse(text)).toMatchObject({ was: { message: expect.any(String) as string } });
  expect(headers['x-a']).toBe('b');
});
