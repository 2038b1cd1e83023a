import { compileExpression } from '@polygate/model';
import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { headerValue } from '../header-value.ts';
import { pause } from '../pause.ts';
import { compileTemplate, type VariableTemplate } from '../variable-template.ts';
import { definition } from './fault-injection.schema.ts';
import type { AbortConf, FaultConf, FaultInjectionConf } from './fault-injection.schema.ts';

/** Whether a fault meets this request. */
type Condition = (ctx: RequestContext) => boolean;

interface Abort {
  readonly meets: Condition;
  readonly status: number;
  readonly headers: readonly (readonly [string, VariableTemplate])[];
  readonly body: VariableTemplate | undefined;
}

interface Delay {
  readonly meets: Condition;
  readonly durationMs: number;
}

interface Prepared {
  readonly abort: Abort | undefined;
  readonly delay: Delay | undefined;
}

export default definePlugin<FaultInjectionConf, Prepared>(definition, {
  prepare: ({ abort, delay }) => ({
    abort: abort === undefined ? undefined : compileAbort(abort),
    delay:
      delay === undefined
        ? undefined
        : { meets: compileCondition(delay), durationMs: delay.duration * 1000 },
  }),

  rewrite(ctx, { abort, delay }) {
    const aborts = abort?.meets(ctx) === true;
    if (delay?.meets(ctx) === true && delay.durationMs > 0) {
      return pause(delay.durationMs, ctx.signal).then(() =>
        aborts ? reply(ctx, abort) : undefined,
      );
    }
    return aborts ? reply(ctx, abort) : undefined;
  },
});

function compileAbort(conf: AbortConf): Abort {
  return {
    meets: compileCondition(conf),
    status: conf.http_status,
    headers: Object.entries(conf.headers ?? {}).map(([name, value]) => [
      name,
      compileTemplate(String(value)),
    ]),
    body: conf.body === undefined ? undefined : compileTemplate(conf.body),
  };
}

/** An expression that cannot be worked out does not hold. */
function compileCondition({ percentage = 100, vars: rules }: FaultConf): Condition {
  const expressions = rules?.map(compileExpression);
  return (ctx) => {
    if (percentage < 100 && Math.random() * 100 >= percentage) return false;
    if (expressions === undefined) return true;
    try {
      return expressions.some((holds) => holds(ctx.vars));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      ctx.log.error(`failed to evaluate the 'vars' expression: ${reason}`);
      return false;
    }
  };
}

function reply({ vars }: RequestContext, { status, headers, body }: Abort): LocalReply {
  const rendered: Record<string, string> = {};
  for (const [name, value] of headers) rendered[name] = headerValue(value.render(vars));
  return body === undefined
    ? { status, headers: rendered }
    : { status, headers: rendered, body: body.render(vars) };
}
