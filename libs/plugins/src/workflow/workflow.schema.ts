import { compileExpression, compileSchema, ConfigError } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

/** The name of an action, and its conf. */
export type WorkflowAction = readonly [name: string, conf?: Readonly<Record<string, unknown>>];

export interface WorkflowRule {
  /** An expression; without one the rule always applies. */
  readonly case?: readonly unknown[];
  /** Only the first is taken, as in APISIX. */
  readonly actions: readonly WorkflowAction[];
}

export interface WorkflowConf {
  readonly rules: readonly WorkflowRule[];
}

/** Plugins that can be an action. */
const PLUGIN_ACTIONS: readonly string[] = ['limit-count', 'limit-conn'];

const RETURN_SCHEMA = {
  type: 'object',
  properties: { code: { type: 'integer', minimum: 100, maximum: 599 } },
  required: ['code'],
};

/** Source: apisix/plugins/workflow.lua. */
export const definition: PluginDefinition<WorkflowConf> = {
  name: 'workflow',
  version: 0.1,
  priority: 1006,
  schema: {
    type: 'object',
    properties: {
      rules: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            case: {
              type: 'array',
              items: { anyOf: [{ type: 'array' }, { type: 'string' }] },
              minItems: 1,
            },
            actions: { type: 'array', items: { type: 'array', minItems: 1 } },
          },
          required: ['actions'],
        },
      },
    },
    required: ['rules'],
  },
  check({ rules }, plugins) {
    for (const { case: conditions, actions } of rules) {
      if (conditions !== undefined) {
        inWords(`failed to validate the 'case' expression`, () => compileExpression(conditions));
      }
      for (const action of actions) checkAction(action, plugins);
    }
  },
};

/** Fills in the defaults of the action's conf. */
function checkAction(
  [name, conf = {}]: WorkflowAction,
  plugins: ReadonlyMap<string, PluginDefinition>,
): void {
  const fault = `failed to validate the '${name}' action`;
  if (name === 'return') {
    inWords(fault, () => compileSchema(RETURN_SCHEMA)(conf));
    return;
  }
  const plugin = PLUGIN_ACTIONS.includes(name) ? plugins.get(name) : undefined;
  if (plugin === undefined) throw new ConfigError(`unsupported action: ${name}`);
  inWords(fault, () => {
    checkSchema(plugin, conf);
    if (conf['group'] !== undefined) throw new ConfigError('group is not supported');
    plugin.check?.(conf, plugins);
  });
}

function checkSchema(plugin: PluginDefinition, conf: Readonly<Record<string, unknown>>): void {
  try {
    compileSchema(plugin.schema)(conf);
  } catch (error) {
    if (!(error instanceof ConfigError) || plugin.restate === undefined) throw error;
    throw new ConfigError(plugin.restate(conf, error.message), { cause: error });
  }
}

function inWords(fault: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`${fault}: ${error.message}`);
  }
}
