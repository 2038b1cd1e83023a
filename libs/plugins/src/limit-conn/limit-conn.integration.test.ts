import { execFileSync } from 'node:child_process';
import { hasRedis, mountPlugin, startRedis, startTcpProxy, validConf } from '@polygate/testing';
import type { RedisTestServer } from '@polygate/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import plugin from './limit-conn.ts';

describe.skipIf(!hasRedis())('limit-conn with Redis', () => {
  let server: RedisTestServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.close());

  const mount = (raw: object, id: string) => {
    const base = { conn: 1, burst: 0, default_conn_delay: 0.01, key: 'remote_addr' };
    const redis = { policy: 'redis', redis_host: '127.0.0.1', redis_port: server.port };
    const conf = validConf(plugin.definition, { ...base, ...redis, ...raw });
    return mountPlugin(plugin, conf, { source: { kind: 'route', id, modifiedIndex: 1 } });
  };
  const taken = async (): Promise<number> => {
    const [key = ''] = (await server.cli('KEYS', 'limit_conn:*')).split('\n');
    return key === '' ? 0 : Number(await server.cli('ZCARD', key));
  };
  const untilTaken = async (places: number): Promise<void> => {
    while ((await taken()) !== places) await new Promise((resolve) => setTimeout(resolve, 20));
  };

  test('lets in as many at a time as the conf says, from whichever gateway', async () => {
    await server.cli('FLUSHALL');
    const gateways = [1, 2].map(() => mount({ conn: 3, burst: 2 }, 'many'));
    const runs = await Promise.all(
      Array.from({ length: 40 }, (_, i) => (gateways[i % 2] as (typeof gateways)[0]).request()),
    );
    // those that are let in end before the last has asked: at least as many as there are places
    const statuses = runs.map((run) => run.status);
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(5);
    await untilTaken(0);
    for (const gateway of gateways) gateway.dispose();
  });

  test('a place whose gateway died is free again after key_ttl', async () => {
    await server.cli('FLUSHALL');
    const gateway = mount({ key_ttl: 1 }, 'dead');
    let key = '';
    // at the upstream there is the request's own place, which names the key; now the gateway dies
    await gateway.request({
      atUpstream: () => {
        key = execFileSync('redis-cli', ['-p', String(server.port), 'KEYS', 'limit_conn:*'])
          .toString()
          .trim();
      },
    });
    await untilTaken(0);
    const [seconds = ''] = (await server.cli('TIME')).split('\n');
    await server.cli('ZADD', key, String(Number(seconds) + 1), 'of a gateway that died');
    expect((await gateway.request()).status).toBe(503);
    let status = 503;
    while (status === 503) ({ status } = await gateway.request());
    expect(status).toBe(200);
    gateway.dispose();
  });

  test('gives its place back later when Redis keeps silent at the end', async () => {
    await server.cli('FLUSHALL');
    const proxy = await startTcpProxy(server.port);
    const gateway = mount({ redis_port: proxy.port, redis_timeout: 100 }, 'silent');
    const run = await gateway.request({ atUpstream: () => proxy.silence() });
    expect(run.status).toBe(200);
    expect(await taken()).toBe(1);
    proxy.restore();
    await untilTaken(0);
    gateway.dispose();
    await proxy.close();
  });

  test('without Redis fails, or lets in with allow_degradation', async () => {
    const strict = mount({ redis_port: 1 }, 'gone');
    const run = await strict.request();
    expect(run.status).toBe(500);
    expect(run.log).toEqual(['error: failed to limit conn: connection refused']);
    const lenient = mount({ redis_port: 1, allow_degradation: true }, 'gone');
    expect((await lenient.request()).status).toBe(200);
    strict.dispose();
    lenient.dispose();
  });
});
