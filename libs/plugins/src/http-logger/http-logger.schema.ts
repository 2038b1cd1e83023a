import { URI_SCHEMA } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { BATCH_METADATA_SCHEMA, batchSchema } from '../log-sinks/batch.schema.ts';
import type { BatchedLoggerConf } from '../log-sinks/batched-logger.ts';
import {
  checkBodyExpressions,
  LOG_FORMAT_SCHEMA,
  LOGGED_BODIES_SCHEMA,
} from '../log-entries/log-entry.schema.ts';

export interface HttpLoggerConf extends BatchedLoggerConf {
  readonly uri: string;
  readonly auth_header?: string;
  /** Seconds. */
  readonly timeout: number;
  readonly concat_method: 'json' | 'new_line';
  readonly ssl_verify: boolean;
}

/** Source: apisix/plugins/http-logger.lua. */
export const definition: PluginDefinition<HttpLoggerConf> = {
  name: 'http-logger',
  version: 0.1,
  priority: 410,
  httpsFields: ['uri'],
  tlsFields: ['ssl_verify'],
  schema: {
    type: 'object',
    properties: {
      uri: URI_SCHEMA,
      auth_header: { type: 'string' },
      timeout: { type: 'integer', minimum: 1, default: 3 },
      ...LOG_FORMAT_SCHEMA,
      ...LOGGED_BODIES_SCHEMA,
      concat_method: { type: 'string', default: 'json', enum: ['json', 'new_line'] },
      ssl_verify: { type: 'boolean', default: false },
      ...batchSchema('http logger'),
    },
    encrypt_fields: ['auth_header'],
    required: ['uri'],
  },
  metadataSchema: {
    type: 'object',
    properties: { ...LOG_FORMAT_SCHEMA, ...BATCH_METADATA_SCHEMA },
  },
  check: checkBodyExpressions,
};
