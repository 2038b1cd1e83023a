import { ANONYMOUS_CONSUMER_SCHEMA, realmSchema } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

export const HMAC_HASHES = {
  'hmac-sha1': 'sha1',
  'hmac-sha256': 'sha256',
  'hmac-sha512': 'sha512',
} as const;
export type HmacAlgorithm = keyof typeof HMAC_HASHES;

export interface HmacAuthConf {
  readonly allowed_algorithms: readonly HmacAlgorithm[];
  /** Seconds. */
  readonly clock_skew: number;
  readonly signed_headers: readonly string[];
  readonly validate_request_body: boolean;
  /** Bytes. */
  readonly max_req_body_size: number;
  readonly hide_credentials: boolean;
  readonly realm: string;
  readonly anonymous_consumer?: string;
}

const ALGORITHMS = Object.keys(HMAC_HASHES);

/** Source: apisix/plugins/hmac-auth.lua. */
export const definition: PluginDefinition<HmacAuthConf> = {
  name: 'hmac-auth',
  version: 0.1,
  priority: 2530,
  type: 'auth',
  consumerKey: 'key_id',
  schema: {
    type: 'object',
    title: 'work with route or service object',
    properties: {
      allowed_algorithms: {
        type: 'array',
        minItems: 1,
        items: { type: 'string', enum: ALGORITHMS },
        default: ALGORITHMS,
      },
      clock_skew: { type: 'integer', default: 300, minimum: 1 },
      signed_headers: {
        type: 'array',
        default: ['date'],
        items: { type: 'string', minLength: 1, maxLength: 50 },
      },
      validate_request_body: {
        type: 'boolean',
        description: 'A boolean value telling the plugin to enable body validation',
        default: false,
      },
      max_req_body_size: {
        type: 'integer',
        minimum: 1,
        default: 67_108_864,
        description:
          'bytes of a body that are read into memory for validate_request_body; ' +
          'a larger one is refused with 413',
      },
      hide_credentials: { type: 'boolean', default: false },
      realm: realmSchema('hmac'),
      anonymous_consumer: ANONYMOUS_CONSUMER_SCHEMA,
    },
  },
  consumerSchema: {
    type: 'object',
    title: 'work with consumer object',
    properties: {
      key_id: { type: 'string', minLength: 1, maxLength: 256 },
      secret_key: { type: 'string', minLength: 1, maxLength: 256 },
    },
    encrypt_fields: ['secret_key'],
    required: ['key_id', 'secret_key'],
  },
};
