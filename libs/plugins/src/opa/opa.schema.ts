import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface OpaConf {
  readonly host: string;
  readonly ssl_verify: boolean;
  readonly policy: string;
  /** Milliseconds. */
  readonly timeout: number;
  readonly keepalive: boolean;
  readonly send_headers_upstream?: readonly string[];
  /** Milliseconds. */
  readonly keepalive_timeout: number;
  readonly keepalive_pool: number;
  readonly with_route: boolean;
  readonly with_service: boolean;
  readonly with_consumer: boolean;
}

/** Source: apisix/plugins/opa.lua. */
export const definition: PluginDefinition<OpaConf> = {
  name: 'opa',
  version: 0.1,
  priority: 2001,
  httpsFields: ['host'],
  tlsFields: ['ssl_verify'],
  schema: {
    type: 'object',
    properties: {
      host: { type: 'string' },
      ssl_verify: { type: 'boolean', default: true },
      policy: { type: 'string' },
      timeout: {
        type: 'integer',
        minimum: 1,
        maximum: 60_000,
        default: 3000,
        description: 'timeout in milliseconds',
      },
      keepalive: { type: 'boolean', default: true },
      send_headers_upstream: {
        type: 'array',
        minItems: 1,
        items: { type: 'string' },
        description: 'list of headers to pass to upstream in request',
      },
      keepalive_timeout: { type: 'integer', minimum: 1000, default: 60_000 },
      keepalive_pool: { type: 'integer', minimum: 1, default: 5 },
      with_route: { type: 'boolean', default: false },
      with_service: { type: 'boolean', default: false },
      with_consumer: { type: 'boolean', default: false },
    },
    required: ['host', 'policy'],
  },
};
