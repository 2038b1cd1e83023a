import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface ForwardAuthConf {
  readonly uri: string;
  readonly allow_degradation: boolean;
  readonly status_on_error: number;
  readonly ssl_verify: boolean;
  readonly request_method: 'GET' | 'POST';
  /** Bytes. */
  readonly max_req_body_size: number;
  readonly request_headers: readonly string[];
  readonly extra_headers?: Readonly<Record<string, string>>;
  readonly upstream_headers: readonly string[];
  readonly client_headers: readonly string[];
  /** Milliseconds. */
  readonly timeout: number;
  readonly keepalive: boolean;
  /** Milliseconds. */
  readonly keepalive_timeout: number;
  readonly keepalive_pool: number;
}

const HEADER_NAMES = { type: 'array', default: [], items: { type: 'string' } } as const;

/** Source: apisix/plugins/forward-auth.lua. */
export const definition: PluginDefinition<ForwardAuthConf> = {
  name: 'forward-auth',
  version: 0.1,
  priority: 2002,
  httpsFields: ['uri'],
  tlsFields: ['ssl_verify'],
  schema: {
    type: 'object',
    properties: {
      uri: { type: 'string' },
      allow_degradation: { type: 'boolean', default: false },
      status_on_error: { type: 'integer', minimum: 200, maximum: 599, default: 403 },
      ssl_verify: { type: 'boolean', default: true },
      request_method: {
        type: 'string',
        default: 'GET',
        enum: ['GET', 'POST'],
        description: 'method of the request to the authorization service',
      },
      max_req_body_size: {
        type: 'integer',
        minimum: 1,
        default: 67_108_864,
        description: 'bytes of a body that goes to the authorization service by POST',
      },
      request_headers: {
        ...HEADER_NAMES,
        description: 'headers of the client that the authorization service gets',
      },
      extra_headers: {
        type: 'object',
        minProperties: 1,
        patternProperties: {
          '^[^:]+$': {
            type: 'string',
            description: 'value, which may name variables such as $remote_addr',
          },
        },
        description: 'further headers that the authorization service gets',
      },
      upstream_headers: {
        ...HEADER_NAMES,
        description: 'headers of the authorization service that the upstream gets',
      },
      client_headers: {
        ...HEADER_NAMES,
        description: 'headers of the authorization service that a refused client gets',
      },
      timeout: {
        type: 'integer',
        minimum: 1,
        maximum: 60_000,
        default: 3000,
        description: 'milliseconds',
      },
      keepalive: { type: 'boolean', default: true },
      keepalive_timeout: { type: 'integer', minimum: 1000, default: 60_000 },
      keepalive_pool: { type: 'integer', minimum: 1, default: 5 },
    },
    required: ['uri'],
  },
};
