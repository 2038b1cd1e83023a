import type { PluginDefinition } from '@polygate/plugin-sdk';
import { compilePatterns } from '../pattern-list.ts';

export interface UriBlockerConf {
  readonly block_rules: readonly string[];
  readonly rejected_code: number;
  readonly rejected_msg?: string;
  readonly case_insensitive: boolean;
}

/** Source: apisix/plugins/uri-blocker.lua. */
export const definition: PluginDefinition<UriBlockerConf> = {
  name: 'uri-blocker',
  version: 0.1,
  priority: 2900,
  schema: {
    type: 'object',
    properties: {
      block_rules: {
        type: 'array',
        items: { type: 'string', minLength: 1, maxLength: 4096 },
        uniqueItems: true,
      },
      rejected_code: { type: 'integer', minimum: 200, default: 403 },
      rejected_msg: { type: 'string', minLength: 1 },
      case_insensitive: { type: 'boolean', default: false },
    },
    required: ['block_rules'],
  },
  check: ({ block_rules: rules, case_insensitive: caseInsensitive }) =>
    void compilePatterns(rules, { caseInsensitive }),
};
