import type { PluginDefinition } from '@polygate/plugin-sdk';
import { checkFunctions } from './check-functions.ts';

export interface ServerlessConf {
  readonly phase: 'rewrite' | 'access' | 'header_filter' | 'body_filter' | 'log' | 'before_proxy';
  readonly functions: readonly string[];
}

/** Source: apisix/plugins/serverless/init.lua. */
export function serverlessDefinition(
  name: string,
  priority: number,
): PluginDefinition<ServerlessConf> {
  return {
    name,
    version: 0.1,
    priority,
    schema: {
      type: 'object',
      properties: {
        phase: {
          type: 'string',
          default: 'access',
          enum: ['rewrite', 'access', 'header_filter', 'body_filter', 'log', 'before_proxy'],
        },
        functions: { type: 'array', items: { type: 'string' }, minItems: 1 },
      },
      required: ['functions'],
    },
    check: ({ functions }, _plugins, settings) => checkFunctions(functions, settings),
  };
}
