import type { PluginDefinition } from '@polygate/plugin-sdk';
import { BATCH_METADATA_SCHEMA, batchSchema } from '../log-sinks/batch.schema.ts';
import type { BatchedLoggerConf } from '../log-sinks/batched-logger.ts';
import { LOG_FORMAT_SCHEMA, LOGGED_BODIES_SCHEMA } from '../log-entries/log-entry.schema.ts';

export interface SlsLoggerConf extends BatchedLoggerConf {
  readonly host: string;
  readonly port: number;
  readonly project: string;
  readonly logstore: string;
  readonly access_key_id: string;
  readonly access_key_secret: string;
  /** Milliseconds. */
  readonly timeout: number;
  readonly ssl_verify: boolean;
}

const TEXT = { type: 'string' };

/** Source: apisix/plugins/sls-logger.lua. */
export const definition: PluginDefinition<SlsLoggerConf> = {
  name: 'sls-logger',
  version: 0.1,
  priority: 406,
  schema: {
    type: 'object',
    properties: {
      timeout: { type: 'integer', minimum: 1, default: 5000 },
      host: TEXT,
      port: { type: 'integer' },
      project: TEXT,
      logstore: TEXT,
      access_key_id: TEXT,
      access_key_secret: TEXT,
      ssl_verify: { type: 'boolean', default: true },
      ...LOG_FORMAT_SCHEMA,
      ...LOGGED_BODIES_SCHEMA,
      ...batchSchema('sls-logger'),
    },
    encrypt_fields: ['access_key_secret'],
    required: ['host', 'port', 'project', 'logstore', 'access_key_id', 'access_key_secret'],
  },
  metadataSchema: {
    type: 'object',
    properties: { ...LOG_FORMAT_SCHEMA, ...BATCH_METADATA_SCHEMA },
  },
};
