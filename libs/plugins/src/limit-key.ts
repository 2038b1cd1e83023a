import { crc32 } from 'node:zlib';
import type { ConfSource, LocalReply, RequestContext, Variables } from '@polygate/plugin-sdk';
import { compileTemplate } from './variable-template.ts';

// What limit-count, limit-req and limit-conn have alike.

/** What is counted apart. */
export type LimitKey = (ctx: RequestContext) => string;

/** A number, or why a variable's value is none; for the log. */
export type Amount = (vars: Variables) => number | LimitProblem;

export interface LimitProblem {
  readonly problem: string;
}

interface KeyConf {
  readonly key: string;
  readonly key_type: 'var' | 'var_combination' | 'constant';
}

interface Rejection {
  readonly rejected_code: number;
  readonly rejected_msg?: string;
}

/** Without a value the client's address is the key, so that nobody goes uncounted. */
export function compileLimitKey({ key, key_type: keyType }: KeyConf): LimitKey {
  if (keyType === 'constant') return () => key;
  if (keyType === 'var') return ({ vars, client }) => vars.get(key) ?? client.address;
  const template = compileTemplate(key);
  return ({ vars, client }) => {
    const { text, resolved } = template.resolve(vars);
    return resolved === 0 ? client.address : text;
  };
}

/** A key without any variable that has a value means that the rule does not apply: undefined. */
export function compileRuleKey(key: string): (ctx: RequestContext) => string | undefined {
  const template = compileTemplate(key);
  return ({ vars }) => {
    const { text, resolved } = template.resolve(vars);
    return resolved === 0 ? undefined : text;
  };
}

/**
 * What a conf's keys begin with, as `/apisix/routes/1:2271558127:`. Every conf counts for itself,
 * and begins anew when it is changed (but not when something else of its route is): hence a
 * checksum of the conf, not the revision.
 */
export function counterPrefix(conf: object, { kind, id }: ConfSource): string {
  return `/apisix/${kind}s/${id}:${crc32(stableJson(conf))}:`;
}

/** JSON with the names of every object in order. */
function stableJson(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

export function rejectionOf({
  rejected_code: status,
  rejected_msg: message,
}: Rejection): LocalReply {
  return message === undefined ? { status } : { status, body: { error_msg: message } };
}

type Answer = LocalReply | undefined;

/** Runs them one after the other up to the first reply; waits only where one of them does. */
export function inTurn<T>(
  limits: readonly T[],
  run: (limit: T) => Answer | Promise<Answer>,
  first = 0,
): Answer | Promise<Answer> {
  for (let i = first; i < limits.length; i++) {
    const answer = run(limits[i] as T);
    if (answer instanceof Promise) {
      return answer.then((reply) => reply ?? inTurn(limits, run, i + 1));
    }
    if (answer !== undefined) return answer;
  }
  return undefined;
}

/**
 * A text may have variables. Source: resolve_var of limit-count/init.lua and limit-conn/init.lua.
 */
export function compileAmount(
  amount: number | string,
  { mayBeZero = false }: { readonly mayBeZero?: boolean } = {},
): Amount {
  if (typeof amount === 'number') return () => amount;
  const template = compileTemplate(amount);
  return (vars) => parseAmount(template.render(vars), mayBeZero);
}

function parseAmount(text: string, mayBeZero: boolean): number | LimitProblem {
  const amount = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(amount)) return { problem: 'resolved value is not a number' };
  if (amount < 0 || (amount === 0 && !mayBeZero)) {
    const wanted = mayBeZero ? 'a non-negative' : 'a positive';
    return { problem: `resolved value must be ${wanted} number, got: ${amount}` };
  }
  if (!Number.isInteger(amount)) {
    return { problem: `resolved value must be an integer, got: ${amount}` };
  }
  if (amount > Number.MAX_SAFE_INTEGER) {
    return { problem: `resolved value exceeds safe integer range (2^53-1), got: ${amount}` };
  }
  return amount;
}
