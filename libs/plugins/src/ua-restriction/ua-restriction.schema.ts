import type { PluginDefinition } from '@polygate/plugin-sdk';
import { compilePatterns } from '../pattern-list.ts';

export interface UaRestrictionConf {
  readonly bypass_missing: boolean;
  readonly allowlist?: readonly string[];
  readonly denylist?: readonly string[];
  readonly message: string;
}

const PATTERNS = { type: 'array', minItems: 1, items: { type: 'string', minLength: 1 } };

/** Source: apisix/plugins/ua-restriction.lua. */
export const definition: PluginDefinition<UaRestrictionConf> = {
  name: 'ua-restriction',
  version: 0.1,
  priority: 2999,
  schema: {
    type: 'object',
    properties: {
      bypass_missing: { type: 'boolean', default: false },
      allowlist: PATTERNS,
      denylist: PATTERNS,
      message: { type: 'string', minLength: 1, maxLength: 1024, default: 'Not allowed' },
    },
    oneOf: [{ required: ['allowlist'] }, { required: ['denylist'] }],
  },
  check: ({ allowlist = [], denylist = [] }) => void compilePatterns([...allowlist, ...denylist]),
};
