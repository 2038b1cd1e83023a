import { randomUUID } from 'node:crypto';
import type { Logger, SharedState } from '@polygate/plugin-sdk';
import { acquireRedis, redisScript, runRedisScript } from '../redis/redis-client.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import { RedisConnectError } from '../redis/redis-connection.ts';
import type { LimitConnConf } from './limit-conn.schema.ts';

/** A place that a request has taken. */
export interface Place {
  /** How many are taken, with this one. */
  readonly taken: number;
  /** Once. Never throws; what goes wrong is logged. */
  release(): void;
}

/** Counts the requests under way by key. */
export interface ConnectionPlaces {
  /** Undefined: all `max` are taken. Rejects when whoever counts cannot be asked. */
  take(key: string, max: number): Place | undefined | Promise<Place | undefined>;
  /** For the end of the conf. */
  close(): void;
}

export function createPlaces(
  conf: LimitConnConf,
  shared: SharedState,
  log: Logger,
): ConnectionPlaces {
  if (conf.policy === 'local') return localPlaces(shared);
  const lease = acquireRedis(conf);
  return redisPlaces({
    client: lease.client,
    lifeSeconds: conf.key_ttl ?? 3600,
    log,
    close: () => lease.release(),
  });
}

function localPlaces(shared: SharedState): ConnectionPlaces {
  return {
    take(key, max) {
      const name = `plugin-limit-conn:${key}`;
      const taken = shared.takePlace(name, max);
      if (taken === 0) return undefined;
      return { taken, release: () => void shared.releasePlace(name) };
    },
    close() {},
  };
}

/**
 * A sorted set of requests, by the second at which they are forgotten if nobody takes them away: a
 * gateway may die. ARGV: max, life in seconds, the request. Answers whether it got in and how many
 * there are. Redis's clock, as those of gateways may differ; `replicate_commands` tells Redis
 * before 5 that a script reads it.
 */
const TAKE = redisScript(`
if redis.replicate_commands then redis.replicate_commands() end
local now = tonumber(redis.call('TIME')[1])
local life = tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local taken = redis.call('ZCARD', KEYS[1])
if taken >= tonumber(ARGV[1]) then
  return { 0, taken }
end
redis.call('ZADD', KEYS[1], now + life, ARGV[3])
redis.call('EXPIRE', KEYS[1], life)
return { 1, taken + 1 }
`);

/**
 * A place that is not given back is lost for an hour: it is tried for as long as a restart of
 * Redis takes.
 */
const REMOVALS_MAX = 8;
const REMOVAL_WAIT_MS = 100;

interface RedisPlacesOptions {
  readonly client: RedisClient;
  readonly lifeSeconds: number;
  readonly log: Logger;
  readonly close: () => void;
}

/**
 * Key and members are as in APISIX, but an id of our own: one that a client sends would count
 * once.
 */
function redisPlaces({ client, lifeSeconds, log, close }: RedisPlacesOptions): ConnectionPlaces {
  const remove = (name: string, request: string, attempt = 1): void => {
    client.send(name, ['ZREM', name, request]).catch((error: Error) => {
      if (attempt >= REMOVALS_MAX) {
        log.error(`failed to record the connection leaving request: ${error.message}`);
        return;
      }
      const waitMs = REMOVAL_WAIT_MS * 2 ** attempt;
      setTimeout(() => remove(name, request, attempt + 1), waitMs).unref();
    });
  };
  return {
    async take(key, max) {
      const name = `limit_conn:${key}`;
      const request = randomUUID();
      const args = [max, lifeSeconds, request];
      const reply = await runRedisScript(client, TAKE, name, args).catch((error: Error) => {
        // Redis may have got it, and only its answer was lost
        if (!(error instanceof RedisConnectError)) remove(name, request);
        throw error;
      });
      const [admitted, taken] = Array.isArray(reply) ? reply.map(Number) : [];
      if (admitted !== 1) return undefined;
      return { taken: taken ?? max, release: () => remove(name, request) };
    },
    close,
  };
}
