import type { GatewayContext } from '../request/gateway-context.ts';
import { runRequestPhase } from './run-phase.ts';
import type { PhaseResult } from './run-phase.ts';

const STEPS = 5;

/**
 * All that plugins do before the upstream: rewrite, the consumer's plugins, access; global rules before
 * the chain. The first reply ends it. Asynchronous only where a plugin is.
 */
export function runRequestPhases(ctx: GatewayContext, first = 0): PhaseResult {
  for (let step = first; step < STEPS; step++) {
    const result = runStep(step, ctx);
    if (result === undefined) continue;
    if (!(result instanceof Promise)) return result;
    return result.then((reply) => reply ?? runRequestPhases(ctx, step + 1));
  }
  return undefined;
}

function runStep(step: number, ctx: GatewayContext): PhaseResult {
  switch (step) {
    case 0:
      return runRequestPhase(ctx.globalRules.rewrite, ctx);
    case 1:
      return runRequestPhase(ctx.chain.rewrite, ctx);
    case 2:
      return ctx.consumer === undefined ? undefined : mergeConsumer(ctx);
    case 3:
      return runRequestPhase(ctx.globalRules.access, ctx);
    default:
      return runRequestPhase(ctx.chain.access, ctx);
  }
}

/** The consumer's plugins join the chain; those it alone brought run their rewrite phase now. */
function mergeConsumer(ctx: GatewayContext): PhaseResult {
  const { consumer, compiledRoute } = ctx;
  if (consumer === undefined || compiledRoute === undefined) return undefined;
  const chain = compiledRoute.chainFor(consumer);
  if (chain === undefined) {
    ctx.log.error(`failed to fetch consumer group config by id: ${consumer.groupId}`);
    return { status: 503 };
  }
  ctx.chain = chain;
  return runRequestPhase(chain.rewriteInConsumer, ctx);
}
