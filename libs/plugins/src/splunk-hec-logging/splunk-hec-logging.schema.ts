import { URI_SCHEMA } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { BATCH_METADATA_SCHEMA, batchSchema } from '../log-sinks/batch.schema.ts';
import type { BatchedLoggerConf } from '../log-sinks/batched-logger.ts';
import { LOG_FORMAT_SCHEMA } from '../log-entries/log-entry.schema.ts';

export interface SplunkHecLoggingConf extends BatchedLoggerConf {
  readonly endpoint: {
    readonly uri: string;
    readonly token: string;
    readonly channel?: string;
    /** Seconds. */
    readonly timeout: number;
    /** Milliseconds. */
    readonly keepalive_timeout: number;
  };
  readonly ssl_verify: boolean;
}

/** Source: apisix/plugins/splunk-hec-logging.lua. */
export const definition: PluginDefinition<SplunkHecLoggingConf> = {
  name: 'splunk-hec-logging',
  version: 0.1,
  priority: 409,
  schema: {
    type: 'object',
    properties: {
      endpoint: {
        type: 'object',
        properties: {
          uri: URI_SCHEMA,
          token: { type: 'string' },
          channel: { type: 'string' },
          timeout: { type: 'integer', minimum: 1, default: 10 },
          keepalive_timeout: {
            type: 'integer',
            minimum: 1000,
            default: 60_000,
            description: 'milliseconds',
          },
        },
        required: ['uri', 'token'],
      },
      ssl_verify: { type: 'boolean', default: true },
      ...LOG_FORMAT_SCHEMA,
      ...batchSchema('splunk-hec-logging'),
    },
    encrypt_fields: ['endpoint.token'],
    required: ['endpoint'],
  },
  metadataSchema: {
    type: 'object',
    properties: { ...LOG_FORMAT_SCHEMA, ...BATCH_METADATA_SCHEMA },
  },
};
