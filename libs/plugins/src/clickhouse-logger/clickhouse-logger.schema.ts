import { URI_SCHEMA } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { BATCH_METADATA_SCHEMA, batchSchema } from '../log-sinks/batch.schema.ts';
import type { BatchedLoggerConf } from '../log-sinks/batched-logger.ts';
import { LOG_FORMAT_SCHEMA, LOGGED_BODIES_SCHEMA } from '../log-entries/log-entry.schema.ts';

export interface ClickhouseLoggerConf extends BatchedLoggerConf {
  /** In the place of `endpoint_addrs`. */
  readonly endpoint_addr?: string;
  readonly endpoint_addrs?: readonly string[];
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly logtable: string;
  /** Seconds. */
  readonly timeout: number;
  readonly ssl_verify: boolean;
}

const ALWAYS_REQUIRED = ['user', 'password', 'database', 'logtable'];

/** Source: apisix/plugins/clickhouse-logger.lua. */
export const definition: PluginDefinition<ClickhouseLoggerConf> = {
  name: 'clickhouse-logger',
  version: 0.1,
  priority: 398,
  httpsFields: ['endpoint_addr', 'endpoint_addrs'],
  tlsFields: ['ssl_verify'],
  schema: {
    type: 'object',
    properties: {
      endpoint_addr: URI_SCHEMA,
      endpoint_addrs: { items: URI_SCHEMA, type: 'array', minItems: 1 },
      user: { type: 'string', default: '' },
      password: { type: 'string', default: '' },
      database: { type: 'string', default: '' },
      logtable: { type: 'string', default: '' },
      timeout: { type: 'integer', minimum: 1, default: 3 },
      ssl_verify: { type: 'boolean', default: true },
      ...LOG_FORMAT_SCHEMA,
      ...LOGGED_BODIES_SCHEMA,
      ...batchSchema('clickhouse-logger'),
    },
    oneOf: [
      { required: ['endpoint_addr', ...ALWAYS_REQUIRED] },
      { required: ['endpoint_addrs', ...ALWAYS_REQUIRED] },
    ],
    encrypt_fields: ['password'],
  },
  metadataSchema: {
    type: 'object',
    properties: { ...LOG_FORMAT_SCHEMA, ...BATCH_METADATA_SCHEMA },
  },
};
