import { crc32 } from 'node:zlib';
import { definePlugin } from '@polygate/plugin-sdk';
import type {
  ConfSource,
  LocalReply,
  PluginEnvironment,
  RequestContext,
  SharedState,
} from '@polygate/plugin-sdk';
import { definition, type LimitCountConf } from './limit-count.schema.ts';
import { compileLimitRules } from './limit-rules.ts';
import type { LimitProblem, LimitRule, QuotaHeaders } from './limit-rules.ts';

interface Prepared {
  readonly shared: SharedState;
  readonly rules: readonly LimitRule[];
  /** What every counter's key begins with. */
  readonly keyPrefix: string;
  readonly showHeaders: boolean;
  readonly allowDegradation: boolean;
  readonly rejection: LocalReply;
}

/** A rule with what this request makes of it. */
interface Limit {
  readonly count: number;
  readonly windowSeconds: number;
  readonly key: string;
  readonly headers: QuotaHeaders;
}

export default definePlugin<LimitCountConf, Prepared>(definition, {
  prepare: (conf, env) => ({
    shared: env.shared,
    rules: compileLimitRules(conf, headerNames(env.metadata)),
    keyPrefix: keyPrefix(conf, env.source),
    showHeaders: conf.show_limit_quota_header,
    allowDegradation: conf.allow_degradation,
    rejection: {
      status: conf.rejected_code,
      ...(conf.rejected_msg === undefined ? {} : { body: { error_msg: conf.rejected_msg } }),
    },
  }),

  access(ctx, prepared) {
    const limits = limitsOf(ctx, prepared.rules);
    if ('problem' in limits) {
      ctx.log.error(`failed to get rate limit rules: ${limits.problem}`);
      return prepared.allowDegradation ? undefined : { status: 500 };
    }
    for (const limit of limits) {
      if (!withinLimit(ctx, prepared, limit)) return prepared.rejection;
    }
    return undefined;
  },
});

function limitsOf(ctx: RequestContext, rules: readonly LimitRule[]): Limit[] | LimitProblem {
  const limits: Limit[] = [];
  for (const rule of rules) {
    const key = rule.key(ctx);
    if (key === undefined) continue;
    // a rule that applies must count: a client's variable that is no number may not switch it off
    const count = rule.count(ctx.vars);
    if (typeof count !== 'number') return count;
    const windowSeconds = rule.windowSeconds(ctx.vars);
    if (typeof windowSeconds !== 'number') return windowSeconds;
    limits.push({ count, windowSeconds, key, headers: rule.headers });
  }
  return limits.length === 0 ? { problem: 'no rule applies' } : limits;
}

/** Counts the request, and says so in the response's headers. */
function withinLimit(
  ctx: RequestContext,
  { shared, keyPrefix: prefix, showHeaders }: Prepared,
  { count: limit, windowSeconds, key, headers }: Limit,
): boolean {
  const { count, resetMs } = shared.incrementWindow(prefix + key, 1, windowSeconds * 1000);
  const remaining = Math.max(0, limit - count);
  const reset = Math.floor(resetMs / 10) / 100;
  if (showHeaders) {
    ctx.response.early.set(headers.limit, String(limit));
    ctx.response.early.set(headers.remaining, String(remaining));
    ctx.response.early.set(headers.reset, String(reset));
  }
  return count <= limit;
}

/**
 * A group counts together. Otherwise every conf counts for itself, and begins anew when it is
 * changed (but not when something else of its route is): hence a checksum of the conf, not the
 * revision.
 */
function keyPrefix(conf: LimitCountConf, source: ConfSource): string {
  if (conf.group !== undefined) return `${definition.name}:group:${conf.group}:`;
  const version = crc32(stableJson(conf));
  return `${definition.name}:${source.kind}:${source.id}:${version}:`;
}

/** JSON with the names of every object in order. */
function stableJson(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
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
