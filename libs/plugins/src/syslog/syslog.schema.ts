import type { PluginDefinition } from '@polygate/plugin-sdk';
import { BATCH_METADATA_SCHEMA, batchSchema } from '../log-sinks/batch.schema.ts';
import type { BatchedLoggerConf } from '../log-sinks/batched-logger.ts';
import { LOG_FORMAT_SCHEMA, LOGGED_BODIES_SCHEMA } from '../log-entries/log-entry.schema.ts';

export interface SyslogConf extends BatchedLoggerConf {
  readonly host: string;
  readonly port: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly sock_type: 'tcp' | 'udp';
  readonly tls: boolean;
}

/**
 * Source: apisix/plugins/syslog.lua. `flush_limit`, `drop_limit` and `pool_size` are of a second buffer
 * that APISIX has behind its batches, and are without effect: a batch is sent when it is due.
 */
export const definition: PluginDefinition<SyslogConf> = {
  name: 'syslog',
  version: 0.1,
  priority: 401,
  tlsFields: ['tls'],
  schema: {
    type: 'object',
    properties: {
      host: { type: 'string' },
      port: { type: 'integer' },
      flush_limit: { type: 'integer', minimum: 1, default: 4096 },
      drop_limit: { type: 'integer', default: 1_048_576 },
      timeout: { type: 'integer', minimum: 1, default: 3000 },
      sock_type: { type: 'string', default: 'tcp', enum: ['tcp', 'udp'] },
      pool_size: { type: 'integer', minimum: 5, default: 5 },
      tls: { type: 'boolean', default: false },
      ...LOG_FORMAT_SCHEMA,
      ...LOGGED_BODIES_SCHEMA,
      ...batchSchema('sys logger'),
    },
    required: ['host', 'port'],
  },
  metadataSchema: {
    type: 'object',
    properties: { ...LOG_FORMAT_SCHEMA, ...BATCH_METADATA_SCHEMA },
  },
};
