import { HOST_SCHEMA } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface RefererRestrictionConf {
  readonly bypass_missing: boolean;
  readonly whitelist?: readonly string[];
  readonly blacklist?: readonly string[];
  readonly message: string;
}

const HOSTS = { type: 'array', items: HOST_SCHEMA, minItems: 1 };

/** Source: apisix/plugins/referer-restriction.lua. */
export const definition: PluginDefinition<RefererRestrictionConf> = {
  name: 'referer-restriction',
  version: 0.1,
  priority: 2990,
  schema: {
    type: 'object',
    properties: {
      bypass_missing: { type: 'boolean', default: false },
      whitelist: HOSTS,
      blacklist: HOSTS,
      message: {
        type: 'string',
        minLength: 1,
        maxLength: 1024,
        default: 'Your referer host is not allowed',
      },
    },
    oneOf: [{ required: ['whitelist'] }, { required: ['blacklist'] }],
  },
};
