import type { PluginDefinition } from '@polygate/plugin-sdk';
import { BATCH_METADATA_SCHEMA, batchSchema } from '../log-sinks/batch.schema.ts';
import type { BatchedLoggerConf } from '../log-sinks/batched-logger.ts';
import { LOG_FORMAT_SCHEMA, LOGGED_BODIES_SCHEMA } from '../log-entries/log-entry.schema.ts';

export interface TcpLoggerConf extends BatchedLoggerConf {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** The name that TLS asks the server for. */
  readonly tls_options?: string;
  /** Milliseconds. */
  readonly timeout: number;
}

/** Source: apisix/plugins/tcp-logger.lua. */
export const definition: PluginDefinition<TcpLoggerConf> = {
  name: 'tcp-logger',
  version: 0.1,
  priority: 405,
  tlsFields: ['tls'],
  schema: {
    type: 'object',
    properties: {
      host: { type: 'string' },
      port: { type: 'integer', minimum: 0 },
      tls: { type: 'boolean', default: false },
      tls_options: { type: 'string' },
      timeout: { type: 'integer', minimum: 1, default: 1000 },
      ...LOG_FORMAT_SCHEMA,
      ...LOGGED_BODIES_SCHEMA,
      ...batchSchema('tcp logger'),
    },
    required: ['host', 'port'],
  },
  metadataSchema: {
    type: 'object',
    properties: { ...LOG_FORMAT_SCHEMA, ...BATCH_METADATA_SCHEMA },
  },
};
