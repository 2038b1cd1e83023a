import { contextKey, definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import {
  compileAmount,
  compileLimitKey,
  compileRuleKey,
  counterPrefix,
  inTurn,
  rejectionOf,
} from '../limit-key.ts';
import type { Amount, LimitProblem } from '../limit-key.ts';
import { pause } from '../pause.ts';
import { createPlaces } from './connection-places.ts';
import type { ConnectionPlaces, Place } from './connection-places.ts';
import { definition, type LimitConnConf } from './limit-conn.schema.ts';

interface Rule {
  readonly conn: Amount;
  readonly burst: Amount;
  /** Undefined when the rule does not apply to this request. */
  readonly key: (ctx: RequestContext) => string | undefined;
}

/** A rule with what this request makes of it. */
interface Limit {
  readonly conn: number;
  readonly burst: number;
  readonly key: string;
}

interface Prepared {
  readonly places: ConnectionPlaces;
  readonly rules: readonly Rule[];
  /** Of several rules those that cannot be worked out are left out. */
  readonly isList: boolean;
  readonly keyPrefix: string;
  readonly delayMs: number;
  readonly allowDegradation: boolean;
  readonly rejection: LocalReply;
}

/** What a request holds, by whatever confs: the first log phase gives all of it back. */
const HELD = contextKey<Place[]>('limit-conn held');

/**
 * `only_use_default_delay` is without effect, as in APISIX: it keeps the time that requests take
 * for the delay of the next, and then begins each request with the delay of the conf. Source:
 * apisix/plugins/limit-conn/init.lua.
 */
export default definePlugin<LimitConnConf, Prepared>(definition, {
  prepare: (conf, { shared, source, log }) => ({
    places: createPlaces(conf, shared, log),
    rules: compileRules(conf),
    isList: conf.rules !== undefined,
    keyPrefix: counterPrefix(conf, source),
    delayMs: conf.default_conn_delay * 1000,
    allowDegradation: conf.allow_degradation,
    rejection: rejectionOf(conf),
  }),

  dispose: ({ places }) => places.close(),

  access(ctx, prepared) {
    const limits = limitsOf(ctx, prepared);
    if ('problem' in limits) {
      ctx.log.error(`failed to get limit conn rules: ${limits.problem}`);
      return prepared.allowDegradation ? undefined : { status: 500 };
    }
    return inTurn(limits, (limit) => take(ctx, prepared, limit));
  },

  log(ctx) {
    for (const place of ctx.get(HELD)?.splice(0) ?? []) place.release();
  },
});

function compileRules(conf: LimitConnConf): readonly Rule[] {
  if (conf.rules !== undefined) {
    return conf.rules.map(({ conn, burst, key }) => ({
      conn: compileAmount(conn),
      burst: compileAmount(burst, { mayBeZero: true }),
      key: compileRuleKey(key),
    }));
  }
  const { conn = 0, burst = 0, key = '' } = conf;
  return [
    {
      conn: compileAmount(conn),
      burst: compileAmount(burst, { mayBeZero: true }),
      key: compileLimitKey({ key, key_type: conf.key_type }),
    },
  ];
}

function limitsOf(
  ctx: RequestContext,
  { rules, isList }: Prepared,
): readonly Limit[] | LimitProblem {
  const limits: Limit[] = [];
  for (const rule of rules) {
    const conn = rule.conn(ctx.vars);
    const burst = rule.burst(ctx.vars);
    if (typeof conn !== 'number' || typeof burst !== 'number') {
      if (isList) continue;
      return typeof conn === 'number' ? (burst as LimitProblem) : conn;
    }
    const key = rule.key(ctx);
    if (key !== undefined) limits.push({ conn, burst, key });
  }
  return limits.length === 0 ? { problem: 'no rule applies' } : limits;
}

/** Takes a place, and waits where there are more than `conn` of them. */
function take(
  ctx: RequestContext,
  prepared: Prepared,
  { conn, burst, key }: Limit,
): LocalReply | undefined | Promise<LocalReply | undefined> {
  const conclude = (place: Place | undefined) => {
    if (place === undefined) return prepared.rejection;
    const held = ctx.get(HELD);
    if (held === undefined) ctx.set(HELD, [place]);
    else held.push(place);
    if (place.taken <= conn) return undefined;
    const delayMs = prepared.delayMs * Math.floor((place.taken - 1) / conn);
    return delayMs < 1 ? undefined : pause(delayMs, ctx.signal).then(() => undefined);
  };
  const place = prepared.places.take(prepared.keyPrefix + key, conn + burst);
  if (!(place instanceof Promise)) return conclude(place);
  return place.then(conclude, (error: Error) => {
    ctx.log.error(`failed to limit conn: ${error.message}`);
    return prepared.allowDegradation ? undefined : { status: 500 };
  });
}
