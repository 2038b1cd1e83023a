import { createHash } from 'node:crypto';
import { addressOf, RedisCluster } from './redis-cluster.ts';
import type { RedisAccess, RedisCommand } from './redis-connection.ts';
import { RedisReplyError } from './redis-reply.ts';
import type { RedisReply } from './redis-reply.ts';
import type { RedisConf } from './redis-schema.ts';
import { RedisSentinel } from './redis-sentinel.ts';
import { RedisServer } from './redis-server.ts';

/** A server, a cluster, or what sentinels name. */
export interface RedisClient {
  /** `key` is the one that the command is about. Rejects in about the timeouts of the conf, at most. */
  send(key: string, command: RedisCommand): Promise<RedisReply>;
  close(): void;
}

/** A client that other confs may be using too. */
export interface RedisLease {
  readonly client: RedisClient;
  /** Once, when the conf goes; with the last one the connections go. */
  release(): void;
}

export interface RedisScript {
  readonly text: string;
  readonly sha: string;
}

/** Clients of this worker thread by what makes them up: confs with the same settings share one. */
const clients = new Map<string, { readonly client: RedisClient; leases: number }>();

export function acquireRedis(conf: RedisConf): RedisLease {
  const name = JSON.stringify(settingsOf(conf));
  let shared = clients.get(name);
  if (shared === undefined) {
    shared = { client: createClient(conf), leases: 0 };
    clients.set(name, shared);
  }
  const held = shared;
  held.leases += 1;
  return {
    client: held.client,
    release() {
      held.leases -= 1;
      if (held.leases > 0) return;
      clients.delete(name);
      held.client.close();
    },
  };
}

export function redisScript(text: string): RedisScript {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** Runs a script of one key. By its checksum first: Redis knows it but for the first time. */
export async function runRedisScript(
  client: RedisClient,
  { text, sha }: RedisScript,
  key: string,
  args: readonly (string | number)[],
): Promise<RedisReply> {
  try {
    return await client.send(key, ['EVALSHA', sha, 1, key, ...args]);
  } catch (error) {
    if (!(error instanceof RedisReplyError) || error.code !== 'NOSCRIPT') throw error;
    return client.send(key, ['EVAL', text, 1, key, ...args]);
  }
}

/** The fields that connections depend on. */
function settingsOf(conf: RedisConf): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(conf)
      .filter(([name]) => /^(policy$|redis_|sentinel_)/.test(name))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function createClient(conf: RedisConf): RedisClient {
  if (conf.policy === 'redis-cluster') {
    return new RedisCluster((conf.redis_cluster_nodes ?? []).map(addressOf), accessOf(conf));
  }
  if (conf.policy === 'redis-sentinel') {
    const access = accessOf(conf);
    const { sentinel_username: username, sentinel_password: password } = conf;
    return new RedisSentinel({
      sentinels: conf.redis_sentinels ?? [],
      masterName: conf.redis_master_name ?? '',
      role: conf.redis_role ?? 'master',
      access,
      sentinelAccess: { ...access, username, password, database: 0 },
    });
  }
  const address = { host: conf.redis_host ?? '', port: conf.redis_port ?? 6379 };
  const server = new RedisServer(address, accessOf(conf));
  return { send: (_key, command) => server.send(command), close: () => server.close() };
}

function accessOf(conf: RedisConf): RedisAccess {
  const isCluster = conf.policy === 'redis-cluster';
  return {
    // a cluster's fields have no user and no database
    username: isCluster ? undefined : conf.redis_username,
    password: conf.redis_password,
    database: isCluster ? 0 : (conf.redis_database ?? 0),
    tls: (isCluster ? conf.redis_cluster_ssl : conf.redis_ssl) ?? false,
    verifyTls: (isCluster ? conf.redis_cluster_ssl_verify : conf.redis_ssl_verify) ?? false,
    serverName: conf.redis_server_name,
    connectTimeoutMs: conf.redis_connect_timeout ?? conf.redis_timeout ?? 1000,
    readTimeoutMs: conf.redis_read_timeout ?? conf.redis_timeout ?? 1000,
    idleMs: conf.redis_keepalive_timeout ?? 10_000,
  };
}
