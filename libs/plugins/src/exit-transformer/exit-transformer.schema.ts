import type { PluginDefinition } from '@polygate/plugin-sdk';
import { checkFunctions } from '../serverless-pre-function/check-functions.ts';

export interface ExitTransformerConf {
  /** Of JavaScript: `(status, body, headers) => [status, body, headers]`. */
  readonly functions: readonly string[];
}

/** Source: apisix/plugins/exit-transformer.lua. */
export const definition: PluginDefinition<ExitTransformerConf> = {
  name: 'exit-transformer',
  version: 0.1,
  priority: 22950,
  schema: {
    type: 'object',
    properties: { functions: { type: 'array', items: { type: 'string' } } },
    required: ['functions'],
  },
  check: ({ functions }, _plugins, settings) => checkFunctions(functions, settings),
};
