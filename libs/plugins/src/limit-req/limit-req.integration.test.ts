import { hasRedis, mountPlugin, startRedis, validConf } from '@polygate/testing';
import type { RedisTestServer } from '@polygate/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import plugin from './limit-req.ts';

describe.skipIf(!hasRedis())('limit-req with Redis', () => {
  let server: RedisTestServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.close());

  const mount = (raw: object, id: string) => {
    const redis = { policy: 'redis', redis_host: '127.0.0.1', redis_port: server.port };
    const conf = validConf(plugin.definition, { key: 'remote_addr', ...redis, ...raw });
    return mountPlugin(plugin, conf, { source: { kind: 'route', id, modifiedIndex: 1 } });
  };

  test('lets one of many in that come at once, from whichever gateway', async () => {
    // two of the same conf are what two gateways have
    const gateways = [1, 2].map(() => mount({ rate: 0.5, burst: 0 }, 'one'));
    const runs = await Promise.all(
      Array.from({ length: 64 }, (_, i) => (gateways[i % 2] as (typeof gateways)[0]).request()),
    );
    expect(runs.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(runs.filter(({ status }) => status === 503)).toHaveLength(63);
    const [key = ''] = (await server.cli('KEYS', 'limit_req:*')).split('\n');
    expect((await server.cli('HKEYS', key)).split('\n')).toEqual(['excess', 'last']);
    // until the bucket is empty, so that a slow rate is kept
    expect(Number(await server.cli('PTTL', key))).toBeGreaterThan(1000);
    for (const gateway of gateways) gateway.dispose();
  });

  test('lets the burst in, delayed by what is before it', async () => {
    const gateway = mount({ rate: 20, burst: 2 }, 'burst');
    const startedMs = performance.now();
    const runs = await Promise.all(Array.from({ length: 5 }, () => gateway.request()));
    expect(runs.map(({ status }) => status).sort()).toEqual([200, 200, 200, 503, 503]);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(90);
    gateway.dispose();
  });

  test('without Redis fails, or lets in with allow_degradation', async () => {
    const gone = { rate: 1, burst: 0, redis_port: 1 };
    const strict = mount(gone, 'gone');
    const run = await strict.request();
    expect(run.status).toBe(500);
    expect(run.log).toEqual(['error: failed to limit req: connection refused']);
    const lenient = mount({ ...gone, allow_degradation: true }, 'gone');
    expect((await lenient.request()).status).toBe(200);
    strict.dispose();
    lenient.dispose();
  });
});
