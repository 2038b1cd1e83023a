import type { PluginDefinition } from '@polygate/plugin-sdk';
import { BATCH_METADATA_SCHEMA, batchSchema } from '../log-sinks/batch.schema.ts';
import type { BatchedLoggerConf } from '../log-sinks/batched-logger.ts';
import { LOG_FORMAT_SCHEMA, LOGGED_BODIES_SCHEMA } from '../log-entries/log-entry.schema.ts';

export interface ElasticsearchLoggerConf extends BatchedLoggerConf {
  /** In the place of `endpoint_addrs`. */
  readonly endpoint_addr?: string;
  readonly endpoint_addrs?: readonly string[];
  readonly field: { readonly index: string };
  readonly auth?: { readonly username: string; readonly password: string };
  readonly headers?: Readonly<Record<string, string>>;
  /** Seconds. */
  readonly timeout: number;
  readonly ssl_verify: boolean;
}

const ADDRESS = { type: 'string', pattern: '[^/]$' };
const FILLED = { type: 'string', minLength: 1 };

/** Source: apisix/plugins/elasticsearch-logger.lua. */
export const definition: PluginDefinition<ElasticsearchLoggerConf> = {
  name: 'elasticsearch-logger',
  version: 0.1,
  priority: 413,
  httpsFields: ['endpoint_addrs'],
  tlsFields: ['ssl_verify'],
  schema: {
    type: 'object',
    properties: {
      endpoint_addr: ADDRESS,
      endpoint_addrs: { type: 'array', minItems: 1, items: ADDRESS },
      field: { type: 'object', properties: { index: { type: 'string' } }, required: ['index'] },
      auth: {
        type: 'object',
        properties: { username: FILLED, password: FILLED },
        oneOf: [{ required: ['username', 'password'] }],
      },
      headers: {
        type: 'object',
        minProperties: 1,
        patternProperties: { '^[^:]+$': FILLED },
        additionalProperties: false,
      },
      timeout: { type: 'integer', minimum: 1, default: 10 },
      ssl_verify: { type: 'boolean', default: true },
      ...LOG_FORMAT_SCHEMA,
      ...LOGGED_BODIES_SCHEMA,
      ...batchSchema('elasticsearch-logger'),
    },
    encrypt_fields: ['auth.password', 'headers'],
    oneOf: [{ required: ['endpoint_addr', 'field'] }, { required: ['endpoint_addrs', 'field'] }],
  },
  metadataSchema: {
    type: 'object',
    properties: { ...LOG_FORMAT_SCHEMA, ...BATCH_METADATA_SCHEMA },
  },
};
