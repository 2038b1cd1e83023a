import { compileExpression, ConfigError, type Expression } from '@polygate/model';
import { contextKey, definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { definition, type WorkflowAction, type WorkflowConf } from './workflow.schema.ts';

interface Action {
  readonly name: string;
  access(ctx: RequestContext): LocalReply | void | Promise<LocalReply | void>;
  log(ctx: RequestContext): void;
  dispose(): void;
}

interface Rule {
  readonly applies: Expression | undefined;
  readonly action: Action;
}

/** What was done for a request, by whatever confs: the first log phase ends all of it. */
const DONE = contextKey<Action[]>('workflow actions');

/** Takes the action of the first rule whose case holds. */
export default definePlugin<WorkflowConf, readonly Rule[]>(definition, {
  prepare: (conf, env) =>
    conf.rules.map(({ case: conditions, actions }, index) => ({
      applies: conditions === undefined ? undefined : compileExpression(conditions),
      action: prepareAction(actions[0], index + 1, env),
    })),

  dispose(rules) {
    for (const { action } of rules) action.dispose();
  },

  access(ctx, rules) {
    for (const { applies, action } of rules) {
      if (applies !== undefined && !holds(applies, ctx)) continue;
      // a plugin of that name that the request has besides does not count it once more
      ctx.skipPlugin(action.name);
      const done = ctx.get(DONE);
      if (done === undefined) ctx.set(DONE, [action]);
      else done.push(action);
      return action.access(ctx);
    }
    return undefined;
  },

  log(ctx) {
    for (const action of ctx.get(DONE)?.splice(0) ?? []) action.log(ctx);
  },
});

function holds(applies: Expression, { vars, log }: RequestContext): boolean {
  try {
    return applies(vars);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.error(`failed to evaluate the 'case' expression: ${reason}`);
    return false;
  }
}

/** `number` is that of the rule, from 1: what one rule counts is not what another one does. */
function prepareAction(
  action: WorkflowAction | undefined,
  number: number,
  env: PluginEnvironment,
): Action {
  if (action === undefined) return replying('none', { status: 500 });
  const [name, conf = {}] = action;
  if (name === 'return') {
    const status = Number(conf['code']);
    return replying(name, { status, body: { error_msg: 'rejected by workflow' } });
  }
  const plugin = env.plugins.get(name);
  if (plugin === undefined) throw new ConfigError(`unsupported action: ${name}`);
  const prepared = plugin.prepare?.(conf, {
    ...env,
    source: { ...env.source, id: `${env.source.id}:workflow:${number}` },
    metadata: env.metadataOf(name),
  });
  return {
    name,
    access: (ctx) => plugin.access?.(ctx, prepared),
    log: (ctx) => plugin.log?.(ctx, prepared),
    dispose: () => plugin.dispose?.(prepared),
  };
}

function replying(name: string, reply: LocalReply): Action {
  return { name, access: () => reply, log: () => {}, dispose: () => {} };
}
