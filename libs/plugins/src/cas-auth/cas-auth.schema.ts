import { ConfigError } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface CasAuthConf {
  /** Bytes. */
  readonly max_req_body_size: number;
  /** Base of the CAS server's endpoints. */
  readonly idp_uri: string;
  /** A path, or the whole URL that the CAS server knows the service by. */
  readonly cas_callback_uri: string;
  /** A path. */
  readonly logout_uri: string;
  readonly cookie: {
    readonly secret: string;
    readonly secure: boolean;
    readonly samesite: 'Lax' | 'None';
  };
}

/** Source: apisix/plugins/cas-auth.lua. */
export const definition: PluginDefinition<CasAuthConf> = {
  name: 'cas-auth',
  version: 0.1,
  priority: 2597,
  schema: {
    type: 'object',
    properties: {
      max_req_body_size: {
        type: 'integer',
        minimum: 1,
        default: 67_108_864,
        description: 'bytes of a body that are read into memory; a larger one is refused',
      },
      idp_uri: { type: 'string' },
      cas_callback_uri: {
        type: 'string',
        description:
          'where the CAS server sends users back to: a path, with scheme, host and port taken from ' +
          'the request, or an absolute URL',
      },
      logout_uri: { type: 'string' },
      cookie: {
        type: 'object',
        properties: {
          secret: { type: 'string', minLength: 32 },
          secure: { type: 'boolean', default: true },
          samesite: { type: 'string', enum: ['Lax', 'None'], default: 'Lax' },
        },
        required: ['secret'],
      },
    },
    encrypt_fields: ['cookie.secret'],
    required: ['idp_uri', 'cas_callback_uri', 'logout_uri', 'cookie'],
  },
  check({ cookie }) {
    if (cookie.samesite === 'None' && !cookie.secure) {
      throw new ConfigError('cookie.secure must be true when cookie.samesite is "None"');
    }
  },
};
