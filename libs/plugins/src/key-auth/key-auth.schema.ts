import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface KeyAuthConf {
  readonly header: string;
  readonly query: string;
  readonly realm: string;
  readonly hide_credentials: boolean;
  readonly anonymous_consumer?: string;
}

/** Source: apisix/plugins/key-auth.lua. */
export const definition: PluginDefinition<KeyAuthConf> = {
  name: 'key-auth',
  version: 0.1,
  priority: 2500,
  type: 'auth',
  consumerKey: 'key',
  schema: {
    type: 'object',
    properties: {
      header: { type: 'string', default: 'apikey' },
      query: { type: 'string', default: 'apikey' },
      // printable ASCII but for `"` and `\`: it stands inside a quoted string of a header
      realm: {
        type: 'string',
        pattern: '^[\x20-\x21\x23-\x5B\\]-\x7E]+$',
        default: 'key',
        minLength: 1,
        maxLength: 128,
      },
      hide_credentials: { type: 'boolean', default: false },
      anonymous_consumer: { type: 'string', minLength: 1 },
    },
  },
  consumerSchema: {
    type: 'object',
    properties: { key: { type: 'string' } },
    encrypt_fields: ['key'],
    required: ['key'],
  },
};
