import http from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runGateway, startUpstream } from './gateway.harness.ts';
import type { Reply, RunningGateway, TestUpstream } from './gateway.harness.ts';

let gateway: RunningGateway;
let upstream: TestUpstream;

beforeAll(async () => {
  upstream = await startUpstream();
  gateway = await runGateway({
    apisix: `router: { http: radixtree_uri_with_parameter }
  normalize_uri_like_servlet: true`,
    limits: 'buffered_body_bytes_max: 1000',
  });
  const to = { type: 'roundrobin', nodes: { [upstream.node]: 1 } };
  const named = (name: string): object => ({
    plugins: { 'proxy-rewrite': { headers: { set: { 'X-Route': `${name} $uri_param_id` } } } },
    upstream: to,
  });
  const route = (id: string, value: object): Promise<void> =>
    gateway.put(`/routes/${id}`, { ...named(id), ...value });
  await route('form', { uri: '/f', priority: 1, vars: [['post_arg_a', '==', '1']] });
  await route('json', { uri: '/f', priority: 2, vars: [['post_arg.list[*]', 'has', 2]] });
  await route('rest', { uri: '/f' });
  await route('absent', { uri: '/n', vars: [['post_arg_a', '~=', '1']] });
  await route('fields', { uri: '/q', vars: [['graphql_root_fields', 'has', 'owner']] });
  await route('param', { uri: '/u/:id' });
  await gateway.put('/routes/plain', { uri: '/plain/7', upstream: to });
}, 30_000);

afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const routeOf = ({ text }: Reply): string =>
  (JSON.parse(text) as { headers: Record<string, string> }).headers['x-route'] ?? '';

/** In two pieces, the second when the gateway has surely read the head. */
function postSlowly(path: string, type: string, pieces: readonly string[]): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': type };
    const { port } = gateway;
    const sent = http.request({ port, path, method: 'POST', headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, headers: {}, rawHeaders: [], text });
      });
    });
    sent.on('error', reject);
    for (const [i, piece] of pieces.entries()) setTimeout(() => sent.write(piece), 30 * i);
    setTimeout(() => sent.end(), 30 * pieces.length);
  });
}

const FORM = 'application/x-www-form-urlencoded';

test('waits for a body that a route asks for, and sends all of it on', async () => {
  const reply = await postSlowly('/f', FORM, ['b=2&', 'a=1']);
  expect(routeOf(reply)).toBe('form');
  expect(JSON.parse(reply.text)).toMatchObject({ body: 'b=2&a=1' });
  expect(routeOf(await postSlowly('/f', 'application/json', ['{"list":[1', ',2]}']))).toBe('json');
  expect(routeOf(await postSlowly('/f', FORM, ['a=2']))).toBe('rest');
  expect(routeOf(await postSlowly('/f', 'text/plain', ['a=1']))).toBe('rest');
});

test('matches anew when the body has come: what held without it does not count', async () => {
  expect((await postSlowly('/n', FORM, ['a=1'])).status).toBe(404);
  expect((await postSlowly('/n', FORM, ['a=2'])).status).toBe(200);
});

test('leaves a body that says it is too large on its way, and refuses one that turns out to be', async () => {
  const body = `a=1&b=${'x'.repeat(1000)}`;
  const headers = { 'Content-Type': FORM, 'Content-Length': String(body.length) };
  const large = await gateway.get('/f', { method: 'POST', headers, body });
  expect(large.status).toBe(200);
  expect((await postSlowly('/f', FORM, ['a=1&', body])).status).toBe(413);
});

test('routes GraphQL by its root fields', async () => {
  const json = 'application/json';
  const owner = await postSlowly('/q', json, ['{"query":"{ owner ', '{ name } }"}']);
  expect(owner.status).toBe(200);
  expect((await postSlowly('/q', json, ['{"query":"{ other }"}'])).status).toBe(404);
});

test('takes parameters out of the path, and servlet parameters away from it', async () => {
  expect(routeOf(await gateway.get('/u/7'))).toBe('param 7');
  expect((await gateway.get('/u/7/8')).status).toBe(404);
  expect(routeOf(await gateway.get('/u/7;jsessionid=1'))).toBe('param 7');
  const plain = await gateway.get('/plain/7;jsessionid=1');
  expect(JSON.parse(plain.text)).toMatchObject({ url: '/plain/7;jsessionid=1' });
  expect((await gateway.get('/u/..;/7')).status).toBe(400);
});
