import {
  hasRedis,
  memorySharedState,
  mountPlugin,
  startRedis,
  startRedisCluster,
  validConf,
} from '@polygate/testing';
import type { RedisTestServer } from '@polygate/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import plugin from './limit-count.ts';

describe.skipIf(!hasRedis())('limit-count with Redis', () => {
  let server: RedisTestServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  beforeEach(() => server.cli('FLUSHALL'));
  afterAll(() => server.close());

  const mount = (raw: object, env: object = {}) => {
    const redis = { policy: 'redis', redis_host: '127.0.0.1', redis_port: server.port };
    const base = { count: 5, time_window: 60, ...redis };
    return mountPlugin(plugin, validConf(plugin.definition, { ...base, ...raw }), env);
  };
  type Mounted = ReturnType<typeof mount>;
  const admittedOf = async (gateways: readonly Mounted[], requests: number): Promise<number> => {
    const runs = await Promise.all(
      Array.from({ length: requests }, (_, i) =>
        (gateways[i % gateways.length] as Mounted).request(),
      ),
    );
    return runs.filter(({ status }) => status === 200).length;
  };
  const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  test.each(['fixed', 'sliding'])(
    'lets in exactly the limit of a %s window, whichever gateways are asked',
    async (windowType) => {
      // a window that does not end while the test runs
      const conf = { count: 20, time_window: 86_400, window_type: windowType };
      const gateways = [1, 2, 3].map(() => mount(conf));
      expect(await admittedOf(gateways, 100)).toBe(20);
      const refused = await gateways[0]?.request();
      expect(refused?.headers.get('X-RateLimit-Limit')).toBe('20');
      expect(refused?.headers.get('X-RateLimit-Remaining')).toBe('0');
      for (const gateway of gateways) gateway.dispose();
    },
  );

  test('says what is left and when the window ends', async () => {
    const gateway = mount({});
    const { headers } = await gateway.request();
    expect(headers.get('X-RateLimit-Remaining')).toBe('4');
    expect(Number(headers.get('X-RateLimit-Reset'))).toBeGreaterThan(58);
    const key = await server.cli('KEYS', '*');
    expect(key).toMatch(/^plugin-limit-count:v1:\/apisix\/routes\/1:\d+:127\.0\.0\.1$/);
    expect(Number(await server.cli('TTL', key))).toBeGreaterThan(58);
    gateway.dispose();
  });

  test('counts at all nodes of a cluster', async () => {
    const cluster = await startRedisCluster();
    const gateway = mount({
      ...{ policy: 'redis-cluster', redis_cluster_name: 'c', key: 'http_user', count: 1 },
      redis_cluster_nodes: cluster.nodes.map(({ port }) => `127.0.0.1:${port}`),
    });
    const users = Array.from({ length: 30 }, (_, i) => ({ headers: { user: `u${i}` } }));
    const ask = () => Promise.all(users.map((user) => gateway.request(user)));
    expect((await ask()).map(({ status }) => status)).toEqual(Array(30).fill(200));
    expect((await ask()).map(({ status }) => status)).toEqual(Array(30).fill(503));
    gateway.dispose();
    await cluster.close();
  });

  test('without Redis answers 500, or lets in with allow_degradation', async () => {
    const strict = mount({ redis_port: 1 });
    const run = await strict.request();
    expect([run.status, run.text]).toEqual([500, '{"error_msg":"failed to limit count"}\n']);
    expect(run.log).toEqual(['error: failed to limit count: connection refused']);
    const lenient = mount({ redis_port: 1, allow_degradation: true });
    expect((await lenient.request()).status).toBe(200);
    strict.dispose();
    lenient.dispose();
  });

  describe('and delayed sync', () => {
    const delayed = { count: 10, sync_interval: 0.1, key: 'all', key_type: 'constant' };
    const stored = async (): Promise<string> => server.cli('GET', await server.cli('KEYS', '*'));

    test('counts down by itself, and tells Redis a moment later', async () => {
      const gateway = mount(delayed);
      const left: (string | undefined)[] = [];
      for (let i = 0; i < 3; i++) {
        left.push((await gateway.request()).headers.get('X-RateLimit-Remaining'));
      }
      expect(left).toEqual(['9', '8', '7']);
      while ((await stored()) !== '3') await sleep(20);
      gateway.dispose();
    });

    test('threads of a gateway share what is left', async () => {
      const shared = memorySharedState();
      const threads = [1, 2, 3].map(() => mount(delayed, { shared }));
      expect(await admittedOf(threads, 60)).toBe(10);
      for (const thread of threads) thread.dispose();
      while ((await stored()) !== '10') await sleep(20);
    });

    test('gateways hear of each other', async () => {
      const [one, other] = [mount(delayed), mount(delayed)] as const;
      expect(await admittedOf([one], 6)).toBe(6);
      expect((await other.request()).status).toBe(200);
      while ((await stored()) !== '7') await sleep(20);
      expect(await admittedOf([one, other], 3)).toBe(3);
      while ((await stored()) !== '10') await sleep(20);
      await sleep(150);
      for (const gateway of [one, other]) {
        await gateway.request();
        await sleep(150);
        expect((await gateway.request()).status).toBe(503);
        gateway.dispose();
      }
    });

    test('counts by itself while Redis is away', async () => {
      const gateway = mount({ ...delayed, redis_port: 1 });
      expect(await admittedOf([gateway], 30)).toBe(10);
      expect(gateway.log[0]).toMatch(/^error: sync to redis failed: connection refused, key: /);
      gateway.dispose();
    });
  });
});
