import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface CsrfConf {
  readonly key: string;
  /** Seconds; 0 or less: tokens do not expire. */
  readonly expires: number;
  readonly name: string;
}

/** Source: apisix/plugins/csrf.lua. */
export const definition: PluginDefinition<CsrfConf> = {
  name: 'csrf',
  version: 0.1,
  priority: 2980,
  schema: {
    type: 'object',
    properties: {
      key: { description: 'use to generate csrf token', type: 'string' },
      expires: {
        description: 'expires time(s) for csrf token',
        type: 'integer',
        default: 7200,
      },
      name: {
        description: 'the csrf token name',
        type: 'string',
        default: 'apisix-csrf-token',
      },
    },
    encrypt_fields: ['key'],
    required: ['key'],
  },
};
