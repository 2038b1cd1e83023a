import { runRedisScript, redisScript } from '../redis/redis-client.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import type { RedisReply } from '../redis/redis-reply.ts';
import { slidingAdmission, slidingWindow } from './limiter.ts';
import type { Admission, CommittingLimiter, Window } from './limiter.ts';

// Keys and what is kept under them are APISIX's: gateways of both kinds may count together.

/**
 * ARGV: cost, length of the window in seconds. Answers the count and the milliseconds that are
 * left.
 */
const ADD_TO_WINDOW = redisScript(`
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
  return { tonumber(ARGV[1]), tonumber(ARGV[2]) * 1000 }
end
return { redis.call('INCRBY', KEYS[1], ARGV[1]), left }
`);

/**
 * ARGV: cost, limit, share of the window before that counts still (0 to 1), count of that window,
 * seconds to keep the key. Answers whether it was admitted and the count. One step: of requests
 * that come together none can slip in between the look and the count.
 */
const ADD_BELOW_LIMIT = redisScript(`
local limit = tonumber(ARGV[2])
local count = tonumber(redis.call('GET', KEYS[1]) or 0)
local before = math.min(tonumber(ARGV[4]), limit) * tonumber(ARGV[3])
if count >= limit or count + before >= limit then
  return { 0, count }
end
count = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then
  redis.call('EXPIRE', KEYS[1], ARGV[5])
end
return { 1, count }
`);

/** Counts for all gateways that ask the same Redis. */
export function fixedRedisLimiter(client: RedisClient, keyPrefix: string): CommittingLimiter {
  const count = async (key: string, cost: number, window: Window): Promise<Admission> => {
    const reply = await runRedisScript(client, ADD_TO_WINDOW, keyPrefix + key, [
      cost,
      window.seconds,
    ]);
    const [counted, leftMs] = numbersOf(reply);
    const remaining = window.limit - counted;
    return { isAdmitted: remaining >= 0, remaining, resetSeconds: leftMs / 1000 };
  };
  return { count, commit: count };
}

/** The window before is over, so nobody counts there any more: it may be read on its own. */
export function slidingRedisLimiter(client: RedisClient, keyPrefix: string): CommittingLimiter {
  const countOf = async (key: string): Promise<number> => {
    const count = Number((await client.send(key, ['GET', key])) ?? 0);
    if (!Number.isFinite(count)) throw new Error('redis counter is not a number');
    return count;
  };
  const keyOf = (key: string, id: number) => `${keyPrefix}${key}.${id}.counter`;
  return {
    async count(key, cost, window) {
      const now = slidingWindow(Date.now() / 1000, window.seconds);
      const last = await countOf(keyOf(key, now.id - 1));
      const share = now.remainingSeconds / window.seconds;
      const args = [cost, window.limit, share, last, window.seconds * 2];
      const reply = await runRedisScript(client, ADD_BELOW_LIMIT, keyOf(key, now.id), args);
      const [admitted, count] = numbersOf(reply);
      const capped = Math.min(last, window.limit);
      return slidingAdmission({ isAdmitted: admitted === 1, count, last: capped }, now, window);
    },
    async commit(key, cost, window) {
      const now = slidingWindow(Date.now() / 1000, window.seconds);
      const args = [cost, window.seconds * 2];
      const [reply, last] = await Promise.all([
        runRedisScript(client, ADD_TO_WINDOW, keyOf(key, now.id), args),
        // what was added stays added: without the window before the answer is only less exact
        countOf(keyOf(key, now.id - 1)).catch(() => 0),
      ]);
      const [count] = numbersOf(reply);
      const capped = Math.min(last, window.limit);
      return slidingAdmission({ isAdmitted: true, count, last: capped }, now, window);
    },
  };
}

function numbersOf(reply: RedisReply): [number, number] {
  const [first, second] = (Array.isArray(reply) ? reply : []) as readonly RedisReply[];
  const numbers: [number, number] = [Number(first), Number(second)];
  if (!numbers.every(Number.isFinite)) throw new Error('malformed redis response');
  return numbers;
}
