import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, RequestContext, SharedState } from '@polygate/plugin-sdk';
import { compileLimitKey, counterPrefix, rejectionOf } from '../limit-key.ts';
import type { LimitKey } from '../limit-key.ts';
import { pause } from '../pause.ts';
import { acquireRedis, redisScript, runRedisScript } from '../redis/redis-client.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import { definition, type LimitReqConf } from './limit-req.schema.ts';

/**
 * How many requests are in the bucket beyond the one that is served at once; -1: no room for it.
 */
type Bucket = (key: string) => number | Promise<number>;

interface Prepared {
  readonly bucket: Bucket;
  readonly key: LimitKey;
  readonly keyPrefix: string;
  readonly ratePerSecond: number;
  readonly isDelaying: boolean;
  readonly allowDegradation: boolean;
  readonly rejection: LocalReply;
  readonly release: () => void;
}

/** nginx's clock is no finer. */
const DELAY_MS_MIN = 1;

/** Source: apisix/plugins/limit-req.lua. */
export default definePlugin<LimitReqConf, Prepared>(definition, {
  prepare: (conf, { shared, source }) => ({
    ...createBucket(conf, shared),
    key: compileLimitKey(conf),
    keyPrefix: counterPrefix(conf, source),
    ratePerSecond: conf.rate,
    isDelaying: !conf.nodelay,
    allowDegradation: conf.allow_degradation,
    rejection: rejectionOf(conf),
  }),

  dispose: ({ release }) => release(),

  access(ctx, prepared) {
    const excess = prepared.bucket(prepared.keyPrefix + prepared.key(ctx));
    if (!(excess instanceof Promise)) return conclude(ctx, prepared, excess);
    return excess.then(
      (counted) => conclude(ctx, prepared, counted),
      (error: Error) => {
        ctx.log.error(`failed to limit req: ${error.message}`);
        return prepared.allowDegradation ? undefined : { status: 500 };
      },
    );
  },
});

function conclude(
  ctx: RequestContext,
  { ratePerSecond, isDelaying, rejection }: Prepared,
  excess: number,
): LocalReply | undefined | Promise<undefined> {
  if (excess < 0) return rejection;
  const delayMs = (excess / ratePerSecond) * 1000;
  if (!isDelaying || delayMs < DELAY_MS_MIN) return undefined;
  return pause(delayMs, ctx.signal).then(() => undefined);
}

function createBucket(
  conf: LimitReqConf,
  shared: SharedState,
): { readonly bucket: Bucket; readonly release: () => void } {
  const { policy, rate, burst } = conf;
  if (policy === 'local') {
    const bucket = (key: string) => shared.pourIntoBucket(`plugin-limit-req:${key}`, rate, burst);
    return { bucket, release: () => {} };
  }
  const lease = acquireRedis(conf);
  return { bucket: redisBucket(lease.client, rate, burst), release: () => lease.release() };
}

/**
 * ARGV: rate a second and burst, in thousandths of a request; milliseconds until a full bucket is
 * empty. Answers whether it was let in, and the excess. Redis's own clock: those of gateways may
 * differ, and a difference would empty the bucket. `replicate_commands` is for Redis before 5,
 * which wants to be told that a script reads the clock.
 */
const POUR = redisScript(`
if redis.replicate_commands then redis.replicate_commands() end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local bucket = redis.call('HMGET', KEYS[1], 'excess', 'last')
local excess = 0
if bucket[1] and bucket[2] then
  local lost = tonumber(ARGV[1]) * math.abs(now - bucket[2]) / 1000
  excess = math.max(bucket[1] - lost + 1000, 0)
  if excess > tonumber(ARGV[2]) then
    return { 0, tostring(excess) }
  end
end
redis.call('HSET', KEYS[1], 'excess', tostring(excess), 'last', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return { 1, tostring(excess) }
`);

/**
 * Key and fields are APISIX's. Its key lives for burst / rate + 1 seconds, which at less than a
 * request a second is too short, and lets more in; here it lives until the bucket is empty.
 */
function redisBucket(client: RedisClient, rate: number, burst: number): Bucket {
  const emptyMs = Math.ceil(((burst + 1) / rate) * 1000) + 1;
  return async (key) => {
    const args = [rate * 1000, burst * 1000, emptyMs];
    const reply = await runRedisScript(client, POUR, `limit_req:${key}`, args);
    const [admitted, excess] = Array.isArray(reply) ? reply.map(Number) : [];
    if (admitted === 0) return -1;
    if (excess === undefined || !Number.isFinite(excess)) {
      throw new Error('malformed redis response');
    }
    return excess / 1000;
  };
}
