import type { RequestContext } from '@polygate/plugin-sdk';
import { compileAmount, compileLimitKey, compileRuleKey } from '../limit-key.ts';
import type { Amount, LimitProblem } from '../limit-key.ts';
import type { LimitCountConf } from './limit-count.schema.ts';

export interface LimitRule {
  readonly count: Amount;
  readonly windowSeconds: Amount;
  /** What is counted apart; undefined when the rule does not apply to this request. */
  readonly key: (ctx: RequestContext) => string | undefined;
  readonly headers: QuotaHeaders;
}

/** A rule with what this request makes of it. */
export interface Limit {
  readonly count: number;
  readonly windowSeconds: number;
  readonly key: string;
  readonly headers: QuotaHeaders;
}

export interface QuotaHeaders {
  readonly limit: string;
  readonly remaining: string;
  readonly reset: string;
}

export function compileLimitRules(conf: LimitCountConf, headers: QuotaHeaders): LimitRule[] {
  if (conf.rules !== undefined) {
    return conf.rules.map((rule, index) => ({
      count: compileAmount(rule.count),
      windowSeconds: compileAmount(rule.time_window),
      key: ruleKey(rule.key, index),
      headers: prefixed(headers, rule.header_prefix ?? String(index + 1)),
    }));
  }
  const { count = 0, time_window: timeWindow = 0 } = conf;
  return [
    {
      count: compileAmount(count),
      windowSeconds: compileAmount(timeWindow),
      key: compileLimitKey(conf),
      headers,
    },
  ];
}

/** The number keeps two rules apart whose keys come out alike. */
function ruleKey(key: string, index: number): LimitRule['key'] {
  const resolve = compileRuleKey(key);
  return (ctx) => {
    const text = resolve(ctx);
    return text === undefined ? undefined : `${index + 1}:${text}`;
  };
}

/** What a rule comes to for a request; undefined when it does not apply. */
export function limitOf(ctx: RequestContext, rule: LimitRule): Limit | LimitProblem | undefined {
  const key = rule.key(ctx);
  if (key === undefined) return undefined;
  // a rule that applies must count: a client's variable that is no number may not switch it off
  const count = rule.count(ctx.vars);
  if (typeof count !== 'number') return count;
  const windowSeconds = rule.windowSeconds(ctx.vars);
  if (typeof windowSeconds !== 'number') return windowSeconds;
  return { count, windowSeconds, key, headers: rule.headers };
}

/** `X-RateLimit-Limit` with the prefix `a` is `X-a-RateLimit-Limit`. */
function prefixed({ limit, remaining, reset }: QuotaHeaders, prefix: string): QuotaHeaders {
  const insert = (name: string) => name.replace('RateLimit-', () => `${prefix}-RateLimit-`);
  return { limit: insert(limit), remaining: insert(remaining), reset: insert(reset) };
}
