import { compileExpression, type Expression } from '@polygate/model';
import { definePlugin } from '@polygate/plugin-sdk';
import type { PluginEnvironment, RequestContext, UpstreamHandle } from '@polygate/plugin-sdk';
import { counterPrefix } from '../limit-key.ts';
import { definition } from './traffic-split.schema.ts';
import type { SplitRule, TrafficSplitConf, WeightedUpstream } from './traffic-split.schema.ts';
import { countedChoice, type WeightedChoice } from './weighted-choice.ts';

/** An id of the configuration, an upstream of the conf, or the route's own. */
type Target = string | UpstreamHandle | typeof ROUTE;
const ROUTE = Symbol('upstream of the route');

/** The count of turns may begin anew now and then; it must not grow without end. */
const TURNS_KEPT_MS = 3_600_000;

interface Rule {
  /** Undefined: meets every request. */
  readonly conditions: readonly Expression[] | undefined;
  readonly ids: readonly string[];
  readonly choose: WeightedChoice<Target>;
}

/** The first rule that meets a request sends it to one of its upstreams. */
export default definePlugin<TrafficSplitConf, readonly Rule[]>(definition, {
  prepare(conf, env) {
    const name = `traffic-split ${counterPrefix(conf, env.source)}`;
    return (conf.rules ?? []).map((rule, i) => compileRule(rule, `${name}${i}`, env));
  },

  runsIn: (_phase, rules) => rules.length > 0,

  access(ctx, rules) {
    for (const { conditions, ids, choose } of rules) {
      for (const id of ids) {
        if (ctx.findUpstream(id) !== undefined) continue;
        return { status: 500, body: `failed to fetch upstream info by upstream id: ${id}` };
      }
      if (conditions !== undefined && !oneHolds(conditions, ctx)) continue;
      const target = choose();
      const upstream = typeof target === 'string' ? ctx.findUpstream(target) : target;
      if (upstream !== undefined && upstream !== ROUTE) ctx.useUpstream(upstream);
      return undefined;
    }
    return undefined;
  },
});

function compileRule(
  { match, weighted_upstreams: upstreams }: SplitRule,
  name: string,
  env: PluginEnvironment,
): Rule {
  const nextTurn = () => env.shared.incrementWindow(name, 1, TURNS_KEPT_MS).count;
  const ids = upstreams.flatMap(({ upstream_id: id }) => (id === undefined ? [] : [String(id)]));
  // an upstream that is named twice has the weight of the last one, as in APISIX
  const weights = new Map<Target, number>();
  for (const one of upstreams) weights.set(targetOf(one, env), one.weight);
  return {
    conditions:
      match === undefined || match.length === 0
        ? undefined
        : match.map(({ vars }) => compileExpression(vars)),
    ids: [...new Set(ids)],
    choose: countedChoice(
      [...weights].map(([value, weight]) => ({ value, weight })),
      nextTurn,
    ),
  };
}

function targetOf({ upstream_id: id, upstream }: WeightedUpstream, env: PluginEnvironment): Target {
  if (id !== undefined) return String(id);
  if (upstream === undefined) return ROUTE;
  // as in APISIX, where nothing but https has set a scheme by then, and so no port to compare
  return env.compileUpstream(upstream, { hostWithoutPort: upstream.scheme !== 'https' });
}

/** One that cannot be worked out does not hold. */
function oneHolds(conditions: readonly Expression[], { vars, log }: RequestContext): boolean {
  for (const holds of conditions) {
    try {
      if (holds(vars)) return true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.error(`failed to evaluate the 'vars' expression: ${reason}`);
    }
  }
  return false;
}
