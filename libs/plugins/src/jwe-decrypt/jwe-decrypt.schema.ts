import { ConfigError, isSecretReference } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { decodeBase64Url } from '../base64.ts';

export interface JweDecryptConf {
  readonly header: string;
  readonly forward_header: string;
  readonly strict: boolean;
}

/** Of a key for AES-256. */
export const SECRET_BYTES = 32;

/** Source: apisix/plugins/jwe-decrypt.lua. */
export const definition: PluginDefinition<JweDecryptConf> = {
  name: 'jwe-decrypt',
  version: 0.1,
  priority: 2509,
  type: 'auth',
  consumerKey: 'key',
  sharesConsumerKeys: true,
  schema: {
    type: 'object',
    properties: {
      header: { type: 'string', default: 'Authorization' },
      forward_header: { type: 'string', default: 'Authorization' },
      strict: { type: 'boolean', default: true },
    },
    required: ['header', 'forward_header'],
  },
  consumerSchema: {
    type: 'object',
    properties: {
      key: { type: 'string' },
      secret: { type: 'string' },
      is_base64_encoded: { type: 'boolean' },
    },
    required: ['key', 'secret'],
    encrypt_fields: ['key', 'secret'],
  },
  checkConsumer({ secret, is_base64_encoded: isBase64 }) {
    // what a reference stands for is not known here: it decrypts nothing if it is of another length
    if (typeof secret !== 'string' || isSecretReference(secret)) return;
    if (secretBytes(secret, isBase64)?.length === SECRET_BYTES) return;
    throw new ConfigError(
      isBase64 === true
        ? 'the secret length after base64 decode should be 32 chars'
        : 'the secret length should be 32 chars',
    );
  },
};

/** Undefined for what is to be base64 and is not. */
export function secretBytes(secret: string, isBase64: unknown): Buffer | undefined {
  return isBase64 === true ? decodeBase64Url(secret) : Buffer.from(secret);
}
