import type { PluginDefinition } from '@polygate/plugin-sdk';
import { BATCH_METADATA_SCHEMA, batchSchema } from '../log-sinks/batch.schema.ts';
import type { BatchedLoggerConf } from '../log-sinks/batched-logger.ts';
import { LOG_FORMAT_SCHEMA, LOGGED_BODIES_SCHEMA } from '../log-entries/log-entry.schema.ts';

export interface UdpLoggerConf extends BatchedLoggerConf {
  readonly host: string;
  readonly port: number;
  /** Seconds. Nothing is waited for: a datagram is sent or it is not. */
  readonly timeout: number;
}

/** Source: apisix/plugins/udp-logger.lua. */
export const definition: PluginDefinition<UdpLoggerConf> = {
  name: 'udp-logger',
  version: 0.1,
  priority: 400,
  schema: {
    type: 'object',
    properties: {
      host: { type: 'string' },
      port: { type: 'integer', minimum: 0 },
      timeout: { type: 'integer', minimum: 1, default: 3 },
      ...LOG_FORMAT_SCHEMA,
      ...LOGGED_BODIES_SCHEMA,
      ...batchSchema('udp logger'),
    },
    required: ['host', 'port'],
  },
  metadataSchema: {
    type: 'object',
    properties: { ...LOG_FORMAT_SCHEMA, ...BATCH_METADATA_SCHEMA },
  },
};
