import { METHOD_SCHEMA } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

export type RestrictedBy = 'consumer_name' | 'service_id' | 'route_id' | 'consumer_group_id';

export interface ConsumerRestrictionConf {
  readonly type: RestrictedBy;
  readonly blacklist?: readonly string[];
  readonly whitelist?: readonly string[];
  readonly allowed_by_methods?: readonly {
    readonly user?: string;
    readonly methods?: readonly string[];
  }[];
  readonly rejected_code: number;
  readonly rejected_msg?: string;
}

const NAMES = { type: 'array', minItems: 1, items: { type: 'string' } };

/** Source: apisix/plugins/consumer-restriction.lua. */
export const definition: PluginDefinition<ConsumerRestrictionConf> = {
  name: 'consumer-restriction',
  version: 0.1,
  priority: 2400,
  schema: {
    type: 'object',
    properties: {
      type: {
        type: 'string',
        enum: ['consumer_name', 'service_id', 'route_id', 'consumer_group_id'],
        default: 'consumer_name',
      },
      blacklist: NAMES,
      whitelist: NAMES,
      allowed_by_methods: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            user: { type: 'string' },
            methods: { type: 'array', minItems: 1, items: METHOD_SCHEMA },
          },
        },
      },
      rejected_code: { type: 'integer', minimum: 200, default: 403 },
      rejected_msg: { type: 'string' },
    },
    anyOf: [
      { required: ['blacklist'] },
      { required: ['whitelist'] },
      { required: ['allowed_by_methods'] },
    ],
  },
};
