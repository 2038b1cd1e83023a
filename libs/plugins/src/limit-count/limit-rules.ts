import type { RequestContext, Variables } from '@polygate/plugin-sdk';
import { compileTemplate } from '../variable-template.ts';
import type { LimitCountConf } from './limit-count.schema.ts';

/** How many requests per window, or why that cannot be said. */
type Amount = (vars: Variables) => number | LimitProblem;

/** A limit that cannot be worked out; for the log. */
export interface LimitProblem {
  readonly problem: string;
}

export interface LimitRule {
  readonly count: Amount;
  readonly windowSeconds: Amount;
  /** What is counted apart; undefined when the rule does not apply to this request. */
  readonly key: (ctx: RequestContext) => string | undefined;
  readonly headers: QuotaHeaders;
}

export interface QuotaHeaders {
  readonly limit: string;
  readonly remaining: string;
  readonly reset: string;
}

const AMOUNT_MAX = Number.MAX_SAFE_INTEGER;

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
      key: confKey(conf),
      headers,
    },
  ];
}

/** A key without any variable that has a value means that the rule does not apply. */
function ruleKey(key: string, index: number): LimitRule['key'] {
  const template = compileTemplate(key);
  return (ctx) => {
    const { text, resolved } = template.resolve(ctx.vars);
    // the number keeps two rules apart whose keys come out alike
    return resolved === 0 ? undefined : `${index + 1}:${text}`;
  };
}

/** Without a value the client's address is the key, so that nobody goes uncounted. */
function confKey({ key, key_type: keyType }: LimitCountConf): LimitRule['key'] {
  if (keyType === 'constant') return () => key;
  if (keyType === 'var') return ({ vars, client }) => vars.get(key) ?? client.address;
  const template = compileTemplate(key);
  return ({ vars, client }) => {
    const { text, resolved } = template.resolve(vars);
    return resolved === 0 ? client.address : text;
  };
}

function compileAmount(amount: number | string): Amount {
  if (typeof amount === 'number') return () => amount;
  const template = compileTemplate(amount);
  return (vars) => parseAmount(template.render(vars));
}

/** Source: resolve_var of limit-count/init.lua. */
function parseAmount(text: string): number | LimitProblem {
  const amount = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(amount)) return { problem: 'resolved value is not a number' };
  if (amount <= 0) return { problem: `resolved value must be a positive number, got: ${amount}` };
  if (!Number.isInteger(amount)) {
    return { problem: `resolved value must be an integer, got: ${amount}` };
  }
  if (amount > AMOUNT_MAX) {
    return { problem: `resolved value exceeds safe integer range (2^53-1), got: ${amount}` };
  }
  return amount;
}

/** `X-RateLimit-Limit` with the prefix `a` is `X-a-RateLimit-Limit`. */
function prefixed({ limit, remaining, reset }: QuotaHeaders, prefix: string): QuotaHeaders {
  const insert = (name: string) => name.replace('RateLimit-', () => `${prefix}-RateLimit-`);
  return { limit: insert(limit), remaining: insert(remaining), reset: insert(reset) };
}
