import http from 'node:http';
import { hasRedis, startRedis } from '@polygate/testing';
import type { RedisTestServer } from '@polygate/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually, runGateway } from './gateway.harness.ts';
import type { RunningGateway } from './gateway.harness.ts';

const CLIENTS = 64;

/** Answers after a moment, and knows how many requests it had at once. */
async function startSlowUpstream(): Promise<{
  readonly node: string;
  mostAtOnce: number;
  atOnce: number;
  close(): Promise<void>;
}> {
  const server = http.createServer((_request, response) => {
    slow.atOnce += 1;
    slow.mostAtOnce = Math.max(slow.mostAtOnce, slow.atOnce);
    response.on('close', () => (slow.atOnce -= 1));
    setTimeout(() => response.end('done'), 25);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const slow = {
    node: `127.0.0.1:${port}`,
    mostAtOnce: 0,
    atOnce: 0,
    close: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
  return slow;
}

let gateways: readonly RunningGateway[];
let upstream: Awaited<ReturnType<typeof startSlowUpstream>>;
let redis: RedisTestServer | undefined;
const withRedis = hasRedis();

beforeAll(async () => {
  redis = withRedis ? await startRedis() : undefined;
  upstream = await startSlowUpstream();
  // of two data planes, which share nothing but Redis; three threads and one
  gateways = await Promise.all([runGateway({ workers: 3 }), runGateway({ workers: 1 })]);
}, 30_000);
afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.stop()));
  await upstream.close();
  await redis?.close();
});
beforeEach(() => {
  upstream.mostAtOnce = 0;
});

async function putRoute(plugins: object): Promise<void> {
  const nodes = { [upstream.node]: 1 };
  const route = { uri: '/limited', plugins, upstream: { type: 'roundrobin', nodes } };
  await Promise.all(gateways.map((gateway) => gateway.put('/routes/limited', route)));
}

/** As many clients at once, each on connections of its own; how often each status came. */
async function attack(
  targets: readonly RunningGateway[],
  requestsEach: number,
): Promise<Readonly<Record<number, number>>> {
  const counts: Record<number, number> = {};
  await Promise.all(
    Array.from({ length: CLIENTS }, async (_, client) => {
      for (let i = 0; i < requestsEach; i++) {
        const { status } = await targets[client % targets.length]!.get('/limited');
        counts[status] = (counts[status] ?? 0) + 1;
      }
    }),
  );
  return counts;
}

const policies = (): readonly (readonly [string, readonly RunningGateway[], object])[] => {
  const local = ['local, over threads', gateways.slice(0, 1), {}] as const;
  if (redis === undefined) return [local];
  const conf = { policy: 'redis', redis_host: '127.0.0.1', redis_port: redis.port };
  return [local, ['redis, over data planes', gateways, conf]];
};

describe.each(withRedis ? [0, 1] : [0])('64 clients, policy %i (0: local, 1: redis)', (index) => {
  const [targets, policy] = [
    () => policies()[index]?.[1] ?? [],
    () => policies()[index]?.[2] ?? {},
  ];

  test.each(['fixed', 'sliding'])(
    'are let in by limit-count exactly as often as a %s window allows',
    async (windowType) => {
      // a day: the window does not end in between, but at midnight
      const window = { count: 150, time_window: 86_400, window_type: windowType };
      const limit = { ...window, key: 'all', key_type: 'constant', rejected_code: 429 };
      await putRoute({ 'limit-count': { ...limit, ...policy() } });
      expect(await attack(targets(), 5)).toEqual({ 200: 150, 429: CLIENTS * 5 - 150 });
    },
  );

  test('are let in by limit-req as often as the bucket has room', async () => {
    const bucket = { rate: 0.001, burst: 20, nodelay: true, key: 'remote_addr' };
    await putRoute({ 'limit-req': { ...bucket, rejected_code: 429, ...policy() } });
    expect(await attack(targets(), 2)).toEqual({ 200: 21, 429: CLIENTS * 2 - 21 });
  });

  test('are never more than limit-conn allows at a time, and all places come back', async () => {
    const places = { conn: 5, burst: 2, default_conn_delay: 0.001, key: 'remote_addr' };
    await putRoute({ 'limit-conn': { ...places, rejected_code: 429, ...policy() } });
    const counts = await attack(targets(), 5);
    expect(counts[200]).toBeGreaterThanOrEqual(7);
    expect((counts[200] ?? 0) + (counts[429] ?? 0)).toBe(CLIENTS * 5);
    expect(upstream.mostAtOnce).toBeLessThanOrEqual(7);
    expect(upstream.mostAtOnce).toBeGreaterThan(1);
    // as many as there are places, all at once: none was lost
    await eventually(async () => {
      const replies = await Promise.all(
        Array.from({ length: 7 }, () => targets()[0]!.get('/limited')),
      );
      return replies.every(({ status }) => status === 200);
    });
  });

  test('that go away before their answer give their places back, once', async () => {
    const places = { conn: 2, burst: 0, default_conn_delay: 0.001, key: 'remote_addr' };
    await putRoute({ 'limit-conn': { ...places, rejected_code: 429, ...policy() } });
    const [{ port }] = targets() as [RunningGateway];
    for (let i = 0; i < 20; i++) {
      await new Promise<void>((resolve) => {
        const request = http.get({ host: '127.0.0.1', port, path: '/limited', agent: false });
        request.on('response', (response) => response.resume());
        request.on('error', () => {});
        request.on('close', () => resolve());
        setTimeout(() => request.destroy(new Error('gone')), i);
      });
    }
    await eventually(() => upstream.atOnce === 0);
    await eventually(async () => {
      const pair = await Promise.all([0, 1].map(() => targets()[0]!.get('/limited')));
      return pair.every(({ status }) => status === 200);
    });
    // and not more places than before
    upstream.mostAtOnce = 0;
    await attack(targets(), 1);
    expect(upstream.mostAtOnce).toBeLessThanOrEqual(2);
  });
});

test('requests of one connection that come together take one place after the other', async () => {
  const places = { conn: 1, burst: 0, default_conn_delay: 0.001, key: 'remote_addr' };
  await putRoute({ 'limit-conn': places });
  const socket = (await import('node:net')).connect(gateways[0]!.port, '127.0.0.1');
  const one = 'GET /limited HTTP/1.1\r\nHost: a\r\n\r\n';
  socket.write(one + one + one.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  expect(text.match(/HTTP\/1\.1 (\d+)/g)).toEqual(Array(3).fill('HTTP/1.1 200'));
});

test.skipIf(!withRedis)('a Redis that keeps silent delays nobody for long', async () => {
  const silent = await startRedis();
  const limit = { count: 5, time_window: 60, policy: 'redis', redis_host: '127.0.0.1' };
  const conf = { ...limit, redis_port: silent.port, redis_timeout: 200 };
  await putRoute({ 'limit-count': { ...conf, allow_degradation: true } });
  expect((await gateways[0]!.get('/limited')).headers['x-ratelimit-remaining']).toBe('4');
  silent.freeze();
  const startedMs = performance.now();
  expect(await attack(gateways, 2)).toEqual({ 200: CLIENTS * 2 });
  await putRoute({ 'limit-count': conf });
  expect(await attack(gateways, 2)).toEqual({ 500: CLIENTS * 2 });
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  silent.thaw();
  await silent.close();
});
