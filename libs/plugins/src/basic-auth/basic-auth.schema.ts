import { ANONYMOUS_CONSUMER_SCHEMA, realmSchema } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface BasicAuthConf {
  readonly hide_credentials: boolean;
  readonly realm: string;
  readonly anonymous_consumer?: string;
}

/** Source: apisix/plugins/basic-auth.lua. */
export const definition: PluginDefinition<BasicAuthConf> = {
  name: 'basic-auth',
  version: 0.1,
  priority: 2520,
  type: 'auth',
  consumerKey: 'username',
  schema: {
    type: 'object',
    title: 'work with route or service object',
    properties: {
      hide_credentials: { type: 'boolean', default: false },
      realm: realmSchema('basic'),
      anonymous_consumer: ANONYMOUS_CONSUMER_SCHEMA,
    },
  },
  consumerSchema: {
    type: 'object',
    title: 'work with consumer object',
    properties: { username: { type: 'string' }, password: { type: 'string' } },
    encrypt_fields: ['password'],
    required: ['username', 'password'],
  },
};
