import {
  hasRedis,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
  startTcpProxy,
} from '@polygate/testing';
import type { RedisTestServer } from '@polygate/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { acquireRedis, redisScript, runRedisScript } from './redis-client.ts';
import { slotOf } from './redis-cluster.ts';
import type { RedisConf } from './redis-schema.ts';

const ADD = redisScript(`return redis.call('INCRBY', KEYS[1], ARGV[1])`);

/** Runs with a client of the conf, and gives it back. */
async function withClient<T>(
  conf: RedisConf,
  run: (client: ReturnType<typeof acquireRedis>['client']) => Promise<T>,
): Promise<T> {
  const lease = acquireRedis(conf);
  try {
    return await run(lease.client);
  } finally {
    lease.release();
  }
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 25));
}

const clientsOf = async (server: RedisTestServer): Promise<number> =>
  // redis-cli itself is one
  (await server.cli('CLIENT', 'LIST')).split('\n').length - 1;

describe.skipIf(!hasRedis())('a Redis server', () => {
  let server: RedisTestServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.close());
  const conf = (more: object = {}): RedisConf => ({
    ...{ policy: 'redis', redis_host: '127.0.0.1', redis_port: server.port },
    ...more,
  });

  test('runs scripts, known to it or not, in the order they were sent', async () => {
    await withClient(conf(), async (client) => {
      const add = (cost: number) => runRedisScript(client, ADD, 'counter é', [cost]);
      expect(await add(2)).toBe(2);
      const counts = await Promise.all(Array.from({ length: 500 }, () => add(1)));
      expect(counts).toEqual(Array.from({ length: 500 }, (_, i) => i + 3));
      await server.cli('SCRIPT', 'FLUSH');
      expect(await add(1)).toBe(503);
      expect(await client.send('none', ['GET', 'none'])).toBeNull();
    });
  });

  test('gets one connection from all confs with the same settings, closed with the last', async () => {
    const [one, other] = [acquireRedis(conf()), acquireRedis(conf({ count: 7 }))];
    expect(one.client).toBe(other.client);
    await Promise.all(
      [one, other, one].map(({ client }, i) => client.send('k', ['SET', `k${i}`, i])),
    );
    expect(await clientsOf(server)).toBe(1);
    one.release();
    expect(await other.client.send('k', ['GET', 'k2'])).toBe('2');
    other.release();
    await eventually(async () => (await clientsOf(server)) === 0);
    const third = acquireRedis(conf({ redis_database: 3 }));
    expect(third.client).not.toBe(one.client);
    third.release();
  });

  test('has its counters in the database of the conf, and is not counted in without it', async () => {
    await withClient(conf({ redis_database: 5 }), (client) => client.send('a', ['SET', 'a', 'b']));
    expect(await server.cli('-n', '5', 'GET', 'a')).toBe('b');
    const outside = withClient(conf({ redis_database: 999_999 }), (client) =>
      client.send('a', ['GET', 'a']),
    );
    await expect(outside).rejects.toThrow(
      'failed to change redis db, err: ERR DB index is out of range',
    );
  });

  test('an idle connection is closed, and another one is made when it is needed', async () => {
    await withClient(conf({ redis_keepalive_timeout: 50 }), async (client) => {
      await client.send('k', ['PING']);
      await eventually(async () => (await clientsOf(server)) === 0);
      expect(await client.send('k', ['PING'])).toBe('PONG');
    });
  });

  test('that keeps silent costs a request its timeout, and the next ones nothing', async () => {
    const proxy = await startTcpProxy(server.port);
    await withClient(conf({ redis_port: proxy.port, redis_timeout: 150 }), async (client) => {
      await client.send('k', ['PING']);
      proxy.silence();
      await expect(client.send('k', ['PING'])).rejects.toThrow('timeout');
      const startedMs = performance.now();
      await expect(client.send('k', ['PING'])).rejects.toThrow('timeout');
      expect(performance.now() - startedMs).toBeLessThan(100);
      proxy.restore();
      await eventually(() =>
        client.send('k', ['PING']).then(
          () => true,
          () => false,
        ),
      );
    });
    await proxy.close();
  });

  test('that is gone is an error at once, and is used again when it is back', async () => {
    const gone = await startRedis();
    await withClient(conf({ redis_port: gone.port }), async (client) => {
      await client.send('k', ['PING']);
      await gone.kill();
      await expect(client.send('k', ['PING'])).rejects.toThrow(/connection refused|closed|ECONN/);
      await expect(client.send('k', ['PING'])).rejects.toThrow('connection refused');
      await gone.start();
      await eventually(() =>
        client.send('k', ['PING']).then(
          () => true,
          () => false,
        ),
      );
    });
    await gone.close();
  });
});

describe.skipIf(!hasRedis())('a Redis server that wants a password', () => {
  let server: RedisTestServer;
  beforeAll(async () => {
    const may = ['~*', '&*', '+@all'];
    server = await startRedis({
      args: [
        ...['--user', 'default', 'on', '>secret', ...may],
        ...['--user', 'alice', 'on', '>hers', ...may],
      ],
    });
  });
  afterAll(() => server.close());

  test.each([
    ['the password', { redis_password: 'secret' }, undefined],
    ['a user and hers', { redis_username: 'alice', redis_password: 'hers' }, undefined],
    ['a wrong one', { redis_password: 'wrong' }, /^WRONGPASS invalid username-password pair/],
    ['none', {}, /NOAUTH Authentication required/],
  ])('with %s', async (_what, more, problem) => {
    const base = { policy: 'redis', redis_host: '127.0.0.1', redis_port: server.port } as const;
    const pong = withClient({ ...base, redis_database: 1, ...more }, (client) =>
      client.send('k', ['PING']),
    );
    if (problem === undefined) expect(await pong).toBe('PONG');
    else await expect(pong).rejects.toThrow(problem);
  });
});

describe.skipIf(!hasRedis())('a Redis server behind TLS', () => {
  test('is talked to; its certificate counts when it is to be verified', async () => {
    const server = await startRedis({ tls: true });
    const conf: RedisConf = {
      ...{ policy: 'redis', redis_host: '127.0.0.1', redis_port: server.port, redis_ssl: true },
      redis_ssl_verify: false,
    };
    expect(await withClient(conf, (client) => client.send('k', ['PING']))).toBe('PONG');
    const verified = withClient({ ...conf, redis_ssl_verify: true }, (client) =>
      client.send('k', ['PING']),
    );
    await expect(verified).rejects.toThrow('failed to do ssl handshake');
    await server.close();
  });
});

describe.skipIf(!hasRedis())('a Redis cluster', () => {
  test('gets each key at the node that has its slot, also while slots move', async () => {
    const cluster = await startRedisCluster();
    const [first, second] = cluster.nodes as [RedisTestServer, RedisTestServer];
    const conf: RedisConf = {
      policy: 'redis-cluster',
      redis_cluster_name: 'c',
      redis_cluster_nodes: ['127.0.0.1:1', `127.0.0.1:${first.port}`],
    };
    await withClient(conf, async (client) => {
      const keys = Array.from({ length: 60 }, (_, i) => `key-${i}`);
      const addAll = () => Promise.all(keys.map((key) => runRedisScript(client, ADD, key, [1])));
      expect(new Set(await addAll())).toEqual(new Set([1]));
      const sizes = await Promise.all(cluster.nodes.map((node) => node.cli('DBSIZE')));
      expect(sizes.map(Number).every((size) => size > 5)).toBe(true);

      // one key half moved: it is at the second node, which takes it only after ASKING
      const key = keys.find((name) => slotOf(name) < 5000) ?? '';
      const slot = String(slotOf(key));
      const [from, to] = [await first.cli('CLUSTER', 'MYID'), await second.cli('CLUSTER', 'MYID')];
      await second.cli('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from);
      await first.cli('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to);
      await first.cli('MIGRATE', '127.0.0.1', String(second.port), key, '0', '5000');
      expect(await runRedisScript(client, ADD, key, [1])).toBe(2);
      // and then the whole slot
      for (const node of cluster.nodes) await node.cli('CLUSTER', 'SETSLOT', slot, 'NODE', to);
      expect(await runRedisScript(client, ADD, key, [1])).toBe(3);
      expect(await second.cli('GET', key)).toBe('3');
    });
    await cluster.close();
  });

  test('without a node in reach is an error', async () => {
    const conf: RedisConf = {
      ...{ policy: 'redis-cluster', redis_cluster_name: 'c' },
      redis_cluster_nodes: ['127.0.0.1:1', '127.0.0.1:2'],
    };
    const reply = withClient(conf, (client) => client.send('k', ['GET', 'k']));
    await expect(reply).rejects.toThrow('failed to fetch slots: connection refused');
  });

  test('slots are those of the specification', () => {
    expect(slotOf('123456789')).toBe(0x31c3);
    expect(slotOf('{user1000}.following')).toBe(slotOf('{user1000}.followers'));
    expect(slotOf('foo{}{bar}')).toBe(slotOf('foo{}{bar}'));
    expect(slotOf('foo{{bar}}zap')).toBe(slotOf('{bar'));
  });
});

describe.skipIf(!hasRedis())('a Redis behind a sentinel', () => {
  test('is the master, also after another one has taken over', { timeout: 30_000 }, async () => {
    const { master, replica, sentinel, close } = await startRedisSentinel();
    const conf: RedisConf = {
      ...{ policy: 'redis-sentinel', redis_master_name: 'mymaster', redis_connect_timeout: 500 },
      redis_sentinels: [
        { host: '127.0.0.1', port: 1 },
        { host: '127.0.0.1', port: sentinel.port },
      ],
    };
    await withClient(conf, async (client) => {
      expect(await runRedisScript(client, ADD, 'k', [1])).toBe(1);
      expect(await master.cli('GET', 'k')).toBe('1');
      await withClient({ ...conf, redis_role: 'slave' }, async (reader) => {
        // the sentinel hears of the replica a moment after the master
        await eventually(() =>
          reader.send('k', ['GET', 'k']).then(
            (value) => value === '1',
            () => false,
          ),
        );
        await expect(reader.send('k', ['SET', 'k', '9'])).rejects.toThrow(/^READONLY/);
      });
      await master.kill();
      await eventually(() =>
        runRedisScript(client, ADD, 'k', [1]).then(
          () => true,
          () => false,
        ),
      );
      expect(await replica.cli('GET', 'k')).toBe('2');
    });
    await close();
  });

  test('that does not know the name, or is not there, is an error', async () => {
    const { sentinel, close } = await startRedisSentinel();
    const ask = (name: string, port: number) =>
      withClient(
        {
          ...{ policy: 'redis-sentinel', redis_master_name: name },
          redis_sentinels: [{ host: '127.0.0.1', port }],
        },
        (client) => client.send('k', ['PING']),
      );
    await expect(ask('other', sentinel.port)).rejects.toThrow('invalid master name: other');
    await expect(ask('mymaster', 1)).rejects.toThrow(
      'redis connection failed, err: no hosts available, previous_errors: connection refused',
    );
    await close();
  });
});
