import {
  ANONYMOUS_CONSUMER_SCHEMA,
  ConfigError,
  isSecretReference,
  realmSchema,
} from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { decodeBase64 } from '../base64.ts';
import type { VerifiedClaim } from './token-claims.ts';

export interface JwtAuthConf {
  readonly header: string;
  readonly query: string;
  readonly cookie: string;
  readonly hide_credentials: boolean;
  readonly key_claim_name: string;
  readonly store_in_ctx: boolean;
  readonly realm: string;
  readonly anonymous_consumer?: string;
  readonly claims_to_verify?: readonly VerifiedClaim[];
}

const HMAC_ALGORITHMS = ['HS256', 'HS384', 'HS512'];
const PUBLIC_KEY_ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'],
  'EdDSA',
];

/** Source: apisix/plugins/jwt-auth.lua. */
export const definition: PluginDefinition<JwtAuthConf> = {
  name: 'jwt-auth',
  version: 0.1,
  priority: 2510,
  type: 'auth',
  consumerKey: 'key',
  schema: {
    type: 'object',
    properties: {
      header: { type: 'string', default: 'authorization' },
      query: { type: 'string', default: 'jwt' },
      cookie: { type: 'string', default: 'jwt' },
      hide_credentials: { type: 'boolean', default: false },
      key_claim_name: { type: 'string', default: 'key', minLength: 1 },
      store_in_ctx: { type: 'boolean', default: false },
      realm: realmSchema('jwt'),
      anonymous_consumer: ANONYMOUS_CONSUMER_SCHEMA,
      claims_to_verify: {
        type: 'array',
        items: { type: 'string', enum: ['exp', 'nbf'] },
        uniqueItems: true,
      },
    },
  },
  consumerSchema: {
    type: 'object',
    properties: {
      key: { type: 'string', minLength: 1 },
      secret: { type: 'string', minLength: 1 },
      algorithm: {
        type: 'string',
        enum: [...HMAC_ALGORITHMS, ...PUBLIC_KEY_ALGORITHMS],
        default: 'HS256',
      },
      exp: { type: 'integer', minimum: 1, default: 86_400 },
      base64_secret: { type: 'boolean', default: false },
      lifetime_grace_period: { type: 'integer', minimum: 0, default: 0 },
    },
    dependencies: {
      algorithm: {
        oneOf: [
          { properties: { algorithm: { enum: HMAC_ALGORITHMS, default: 'HS256' } } },
          {
            properties: {
              public_key: { type: 'string', minLength: 1 },
              algorithm: { enum: PUBLIC_KEY_ALGORITHMS },
            },
            required: ['public_key'],
          },
        ],
      },
    },
    encrypt_fields: ['secret'],
    required: ['key'],
  },
  checkConsumer({ algorithm, secret, base64_secret: isBase64, public_key: publicKey }) {
    const isHmac = typeof algorithm === 'string' && algorithm.startsWith('HS');
    if (isHmac && secret === undefined) {
      throw new ConfigError('property "secret" is required when using HS based algorithms');
    }
    if (isBase64 === true && typeof secret === 'string' && !isSecretReference(secret)) {
      if (decodeBase64(secret) === undefined) {
        throw new ConfigError('base64_secret required but the secret is not in base64 format');
      }
    }
    if (!isHmac && publicKey === undefined) throw new ConfigError('missing valid public key');
  },
};
