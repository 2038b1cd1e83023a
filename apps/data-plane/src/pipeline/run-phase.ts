import { GatewayError } from '@polygate/plugin-sdk';
import type {
  BodyHandler,
  LocalReply,
  RequestHandler,
  ResponseHandler,
} from '@polygate/plugin-sdk';
import type { GatewayContext } from '../request/gateway-context.ts';
import { describeError } from './describe-error.ts';
import type { PreparedPlugin, Step } from './plugin-chain.ts';

/** A reply ends the request; undefined goes on. A promise only where a plugin waits for something. */
export type PhaseResult = LocalReply | undefined | Promise<LocalReply | undefined>;

/**
 * Runs the steps of a request phase. Awaits only real promises: a chain of synchronous plugins costs
 * no turn of the event loop.
 */
export function runRequestPhase(
  steps: readonly Step<RequestHandler<unknown>>[],
  ctx: GatewayContext,
  first = 0,
): PhaseResult {
  for (let i = first; i < steps.length; i++) {
    const { owner, phase, run } = steps[i] as Step<RequestHandler<unknown>>;
    if (owner.filter !== undefined) {
      const holds = filterHolds(owner, owner.filter, ctx);
      if (ctx.request.isBodyWanted) return filterAgain(steps, ctx, i);
      if (!holds) continue;
    }
    if (ctx.skippedPlugins?.has(owner.name) === true) continue;
    ctx.debugTrace?.note(owner.name, phase, ctx);
    let result: ReturnType<typeof run>;
    try {
      result = run(ctx, owner.prepared);
    } catch (error) {
      return failure(owner, error, ctx);
    }
    if (result === undefined) continue;
    if (result instanceof Promise) {
      const next = i + 1;
      return result.then(
        (reply) =>
          reply === undefined ? runRequestPhase(steps, ctx, next) : finish(owner, reply, ctx),
        (error: unknown) => failure(owner, error, ctx),
      );
    }
    return finish(owner, result, ctx);
  }
  return undefined;
}

/** A filter asked for variables of a body that is still on its way. */
async function filterAgain(
  steps: readonly Step<RequestHandler<unknown>>[],
  ctx: GatewayContext,
  at: number,
): Promise<LocalReply | undefined> {
  await ctx.request.readWantedBody();
  ctx.filterResults?.delete((steps[at] as Step).owner);
  return runRequestPhase(steps, ctx, at);
}

/** A plugin that throws here is logged and left out: the answer is already on its way. */
export function runResponsePhase(
  steps: readonly Step<ResponseHandler<unknown>>[],
  ctx: GatewayContext,
): void {
  for (const { owner, phase, run } of steps) {
    if (owner.filter !== undefined && !filterHolds(owner, owner.filter, ctx)) continue;
    if (ctx.skippedPlugins?.has(owner.name) === true) continue;
    ctx.debugTrace?.note(owner.name, phase, ctx);
    try {
      run(ctx, owner.prepared);
    } catch (error) {
      ctx.log.error(`plugin ${owner.name} failed: ${describeError(error)}`);
    }
  }
}

export function runBodyPhase(
  steps: readonly Step<BodyHandler<unknown>>[],
  ctx: GatewayContext,
  chunk: Buffer,
  last: boolean,
): Buffer {
  let current = chunk;
  for (const { owner, phase, run } of steps) {
    if (owner.filter !== undefined && !filterHolds(owner, owner.filter, ctx)) continue;
    if (ctx.skippedPlugins?.has(owner.name) === true) continue;
    ctx.debugTrace?.note(owner.name, phase, ctx);
    try {
      current = run(ctx, owner.prepared, current, last) ?? current;
    } catch (error) {
      ctx.log.error(`plugin ${owner.name} failed: ${describeError(error)}`);
    }
  }
  return current;
}

/** Once per request and plugin. A filter that fails lets the plugin run, as in APISIX. */
function filterHolds(
  owner: PreparedPlugin,
  filter: NonNullable<PreparedPlugin['filter']>,
  ctx: GatewayContext,
): boolean {
  const results = (ctx.filterResults ??= new Map<PreparedPlugin, boolean>());
  const known = results.get(owner);
  if (known !== undefined) return known;
  let holds = true;
  try {
    holds = filter(ctx.vars);
  } catch (error) {
    ctx.log.error(`_meta.filter of plugin ${owner.name} failed: ${describeError(error)}`);
  }
  results.set(owner, holds);
  return holds;
}

function finish(owner: PreparedPlugin, reply: LocalReply, ctx: GatewayContext): LocalReply {
  if (reply.status < 400) return reply;
  ctx.log.warn(`${owner.name} exits with http status code ${reply.status}`);
  // The configured body always wins, so that a caller cannot guess the real reason.
  return owner.errorResponse === undefined ? reply : { ...reply, body: owner.errorResponse };
}

/** Fails closed: a plugin that breaks ends the request. */
function failure(owner: PreparedPlugin, error: unknown, ctx: GatewayContext): LocalReply {
  ctx.log.error(`plugin ${owner.name} failed: ${describeError(error)}`);
  return { status: error instanceof GatewayError ? error.info.status : 500 };
}
