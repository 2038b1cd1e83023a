import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, runGateway, startUpstream } from './gateway.harness.ts';
import type { Reply, RunningGateway, TestUpstream } from './gateway.harness.ts';

const LARGE = Buffer.alloc(3 * 1024 * 1024, 'large ');

let folder: string;
let gateway: RunningGateway;
let upstream: TestUpstream;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-cache-'));
  upstream = await startUpstream((message, response) => {
    const { url = '', headers, method } = message;
    response.setHeader('ETag', '"1"');
    if (url.startsWith('/none')) response.setHeader('Cache-Control', 'no-store');
    if (url.startsWith('/vary')) response.setHeader('Vary', 'Accept-Language');
    if (url.startsWith('/large')) return response.end(LARGE);
    return response.end(`${method ?? ''} ${headers['accept-language'] ?? ''} ${url}`);
  });
  gateway = await start();
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
  await rm(folder, { recursive: true });
});

async function start(): Promise<RunningGateway> {
  const zones =
    `[{ name: disk, disk_path: ${folder}, disk_size: 8m, cache_levels: '1:2', memory_size: 1m }, ` +
    '{ name: memory, memory_size: 1m }]';
  const running = await runGateway({
    workers: 2,
    apisix: `proxy_cache: { cache_ttl: 60s, zones: ${zones} }`,
  });
  for (const [id, conf] of [
    ['disk', { cache_zone: 'disk', cache_http_status: [200] }],
    ['memory', { cache_zone: 'memory', cache_strategy: 'memory' }],
  ] as const) {
    await running.put(`/routes/${id}`, {
      uri: '/*',
      host: `${id}.test`,
      upstream: { type: 'roundrobin', nodes: { [upstream.node]: 1 } },
      plugins: {
        'proxy-cache': { cache_key: ['$host', '$uri'], ...conf },
        'response-rewrite': { headers: { set: { 'X-Rewritten': '$arg_n' } } },
      },
    });
  }
  return running;
}

const ask = (zone: string, path: string, headers: object = {}, method = 'GET'): Promise<Reply> =>
  gateway.get(path, { method, headers: { Host: `${zone}.test`, ...headers } });
const said = ({ headers }: Reply): unknown => headers['apisix-cache-status'];

/** Files appear when the answer has been written. */
async function untilHit(path: string, headers: object = {}): Promise<Reply> {
  let reply = await ask('disk', path, headers);
  await eventually(async () => {
    reply = await ask('disk', path, headers);
    return said(reply) === 'HIT';
  });
  return reply;
}

describe('answers on disk', () => {
  test('are what the upstream said, and filters see them each time', async () => {
    expect(said(await ask('disk', '/hello?n=1'))).toBe('MISS');
    await untilHit('/hello?n=1');
    const hit = await ask('disk', '/hello?n=2');
    expect([said(hit), hit.text]).toEqual(['HIT', 'GET  /hello?n=1']);
    expect(hit.headers).toMatchObject({ 'x-rewritten': '2', etag: '"1"' });
  });

  test('outlive the process', async () => {
    await untilHit('/kept');
    await gateway.stop();
    gateway = await start();
    expect(said(await ask('disk', '/kept'))).toBe('HIT');
  });

  test('are streamed, however large', async () => {
    expect((await ask('disk', '/large')).text).toHaveLength(LARGE.length);
    const hit = await untilHit('/large');
    expect(Buffer.from(hit.text).equals(LARGE)).toBe(true);
    expect(hit.headers['content-length']).toBe(String(LARGE.length));
  });

  test('are good for HEAD and GET alike', async () => {
    const first = await ask('disk', '/head', {}, 'HEAD');
    expect([first.status, first.text]).toEqual([200, '']);
    expect((await untilHit('/head')).text).toBe('GET  /head');
    const hit = await ask('disk', '/head', {}, 'HEAD');
    expect([said(hit), hit.text, hit.headers['content-length']]).toEqual(['HIT', '', '10']);
  });

  test('are not sent to who has them, while the upstream is asked for all', async () => {
    const headers = { 'If-None-Match': '"1"', Range: 'bytes=0-1' };
    const first = await ask('disk', '/tagged', headers);
    expect([first.status, first.text]).toEqual([304, '']);
    expect(upstream.requests.at(-1)?.headers).not.toHaveProperty('if-none-match');
    expect((await untilHit('/tagged')).text).toBe('GET  /tagged');
    expect((await ask('disk', '/tagged', headers)).status).toBe(304);
  });

  test('go by the headers that Vary names', async () => {
    await untilHit('/vary', { 'Accept-Language': 'en' });
    const other = await untilHit('/vary', { 'Accept-Language': 'fr' });
    expect(other.text).toBe('GET fr /vary');
    const first = await ask('disk', '/vary', { 'Accept-Language': 'en' });
    expect([said(first), first.text]).toEqual(['HIT', 'GET en /vary']);
  });

  test('are purged, variants as well', async () => {
    await untilHit('/vary2', { 'Accept-Language': 'en' });
    await untilHit('/vary2', { 'Accept-Language': 'fr' });
    expect((await ask('disk', '/vary2', {}, 'PURGE')).status).toBe(200);
    expect((await ask('disk', '/vary2', {}, 'PURGE')).status).toBe(404);
    expect(said(await ask('disk', '/vary2', { 'Accept-Language': 'fr' }))).toBe('MISS');
    expect(said(await ask('disk', '/vary2', { 'Accept-Language': 'en' }))).toBe('MISS');
  });

  test('are none where the upstream forbids it, and no method that changes things asks for one', async () => {
    await ask('disk', '/none');
    expect(said(await ask('disk', '/none'))).toBe('MISS');
    expect(said(await ask('disk', '/none', {}, 'PUT'))).toBeUndefined();
    const left = (await readdir(folder)).filter((name) => name.startsWith('.new-'));
    expect(left).toEqual([]);
  });
});

test('answers in memory are shared by all workers', async () => {
  expect(said(await ask('memory', '/shared'))).toBe('MISS');
  const replies = await Promise.all(Array.from({ length: 16 }, () => ask('memory', '/shared')));
  expect(replies.map(said)).toEqual(replies.map(() => 'HIT'));
  expect(upstream.requests.filter(({ url }) => url === '/shared')).toHaveLength(1);
});
