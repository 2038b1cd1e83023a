import type { LocalReply, PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { counterPrefix, inTurn, rejectionOf } from '../limit-key.ts';
import type { LimitProblem } from '../limit-key.ts';
import { acquireRedis, type RedisLease } from '../redis/redis-client.ts';
import { DelayedLimiter } from './delayed-limiter.ts';
import type { LimitCountConf } from './limit-count.schema.ts';
import { compileLimitRules, limitOf } from './limit-rules.ts';
import type { Limit, LimitRule, QuotaHeaders } from './limit-rules.ts';
import { fixedLimiter, slidingLimiter } from './limiter.ts';
import type { Admission, Limiter } from './limiter.ts';
import { fixedRedisLimiter, slidingRedisLimiter } from './redis-limiter.ts';

/** A conf of limit-count, or of a plugin that counts as it does. */
export interface RateLimit {
  readonly limiter: Limiter;
  readonly rules: readonly LimitRule[];
  /** What every counter's key begins with. */
  readonly keyPrefix: string;
  readonly showHeaders: boolean;
  readonly allowDegradation: boolean;
  readonly rejection: LocalReply;
  /** Undoes `prepareRateLimit`. */
  readonly release: () => void;
}

type Answer = LocalReply | undefined;

/** `plugin`: whose counters they are. Source: apisix/plugins/limit-count/init.lua. */
export function prepareRateLimit(
  plugin: string,
  conf: LimitCountConf,
  env: PluginEnvironment,
): RateLimit {
  const { limiter, release } = createLimiter(`plugin-${plugin}:`, conf, env);
  return {
    limiter,
    rules: compileLimitRules(conf, headerNames(env.metadata)),
    // a group counts together
    keyPrefix: conf.group === undefined ? counterPrefix(conf, env.source) : `${conf.group}:`,
    showHeaders: conf.show_limit_quota_header,
    allowDegradation: conf.allow_degradation,
    rejection: rejectionOf(conf),
    release,
  };
}

/** Counts a request as `cost` many; answers the refusal of one that is too much. */
export function rateLimit(
  ctx: RequestContext,
  limits: RateLimit,
  cost: number,
): Answer | Promise<Answer> {
  const { rules } = limits;
  const [only] = rules;
  if (rules.length === 1 && only !== undefined) {
    const limit = limitOf(ctx, only);
    if (limit === undefined) return noLimit(ctx, limits, { problem: 'no rule applies' });
    return 'problem' in limit ? noLimit(ctx, limits, limit) : count(ctx, limits, limit, cost);
  }
  const applying: Limit[] = [];
  for (const rule of rules) {
    const limit = limitOf(ctx, rule);
    if (limit === undefined) continue;
    if ('problem' in limit) return noLimit(ctx, limits, limit);
    applying.push(limit);
  }
  if (applying.length === 0) return noLimit(ctx, limits, { problem: 'no rule applies' });
  return inTurn(applying, (limit) => count(ctx, limits, limit, cost));
}

function noLimit(ctx: RequestContext, limits: RateLimit, { problem }: LimitProblem): Answer {
  ctx.log.error(`failed to get rate limit rules: ${problem}`);
  return limits.allowDegradation ? undefined : { status: 500 };
}

function count(
  ctx: RequestContext,
  limits: RateLimit,
  limit: Limit,
  cost: number,
): Answer | Promise<Answer> {
  const key = limits.keyPrefix + limit.key;
  const window = { limit: limit.count, seconds: limit.windowSeconds };
  const admission = limits.limiter.count(key, cost, window);
  if (!(admission instanceof Promise)) return conclude(ctx, limits, limit, key, admission);
  return admission.then(
    (counted) => conclude(ctx, limits, limit, key, counted),
    (error: Error) => {
      ctx.log.error(`failed to limit count: ${error.message}`);
      if (limits.allowDegradation) return undefined;
      return { status: 500, body: { error_msg: 'failed to limit count' } };
    },
  );
}

/** Says in the response's headers what is left. */
function conclude(
  ctx: RequestContext,
  { showHeaders, rejection }: RateLimit,
  { count: limit, headers }: Limit,
  key: string,
  { isAdmitted, remaining, resetSeconds }: Admission,
): Answer {
  const left = isAdmitted ? remaining : 0;
  const hundredths = Math.floor(resetSeconds * 100);
  // few logs have it
  ctx.vars.set(
    'rate_limiting_info',
    () =>
      `{"rate_limiting_key":${JSON.stringify(key)},"rate_limiting_limit":${limit},` +
      `"rate_limiting_remaining":${left},"rate_limiting_reset":${Math.floor(resetSeconds)}}`,
  );
  if (showHeaders) {
    const { early } = ctx.response;
    early.set(headers.limit, String(limit));
    early.set(headers.remaining, String(left));
    early.set(headers.reset, secondsText(hundredths));
  }
  return isAdmitted ? undefined : rejection;
}

/**
 * As String(hundredths / 100) has it, in a third of the time: making a fraction a text is what
 * takes long.
 */
function secondsText(hundredths: number): string {
  const seconds = Math.floor(hundredths / 100);
  const rest = hundredths - seconds * 100;
  if (rest === 0) return `${seconds}`;
  if (rest % 10 === 0) return `${seconds}.${rest / 10}`;
  return rest < 10 ? `${seconds}.0${rest}` : `${seconds}.${rest}`;
}

function createLimiter(
  keyPrefix: string,
  conf: LimitCountConf,
  { shared, log }: PluginEnvironment,
): { readonly limiter: Limiter; readonly release: () => void } {
  const isSliding = conf.window_type === 'sliding';
  const local = isSliding ? slidingLimiter(shared, keyPrefix) : fixedLimiter(shared, keyPrefix);
  if (conf.policy === 'local') return { limiter: local, release: () => {} };
  const lease: RedisLease = acquireRedis(conf);
  const remote = isSliding
    ? slidingRedisLimiter(lease.client, keyPrefix)
    : fixedRedisLimiter(lease.client, `${keyPrefix}v1:`);
  if (conf.sync_interval <= 0) return { limiter: remote, release: () => lease.release() };
  const intervalMs = conf.sync_interval * 1000;
  const delayed = new DelayedLimiter({
    remote,
    fallback: local,
    shared,
    keyPrefix,
    intervalMs,
    log,
  });
  return {
    limiter: delayed,
    release: () => void delayed.close().finally(() => lease.release()),
  };
}

function headerNames(metadata: PluginEnvironment['metadata']): QuotaHeaders {
  const name = (field: string, byDefault: string) => {
    const value = metadata[field];
    return typeof value === 'string' ? value : byDefault;
  };
  return {
    limit: name('limit_header', 'X-RateLimit-Limit'),
    remaining: name('remaining_header', 'X-RateLimit-Remaining'),
    reset: name('reset_header', 'X-RateLimit-Reset'),
  };
}
