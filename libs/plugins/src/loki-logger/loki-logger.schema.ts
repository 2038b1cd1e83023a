import { URI_SCHEMA } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { BATCH_METADATA_SCHEMA, batchSchema } from '../log-sinks/batch.schema.ts';
import type { BatchedLoggerConf } from '../log-sinks/batched-logger.ts';
import {
  checkBodyExpressions,
  LOG_FORMAT_SCHEMA,
  LOGGED_BODIES_SCHEMA,
} from '../log-entries/log-entry.schema.ts';

export interface LokiLoggerConf extends BatchedLoggerConf {
  readonly endpoint_addrs: readonly string[];
  readonly endpoint_uri: string;
  readonly tenant_id: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly log_labels: Readonly<Record<string, string>>;
  readonly ssl_verify: boolean;
  /** Milliseconds. */
  readonly timeout: number;
  readonly keepalive: boolean;
  /** Milliseconds. */
  readonly keepalive_timeout: number;
  readonly keepalive_pool: number;
}

const TEXTS = { type: 'object', patternProperties: { '.*': { type: 'string', minLength: 1 } } };

/** Source: apisix/plugins/loki-logger.lua. */
export const definition: PluginDefinition<LokiLoggerConf> = {
  name: 'loki-logger',
  version: 0.1,
  priority: 414,
  httpsFields: ['endpoint_addrs'],
  tlsFields: ['ssl_verify'],
  schema: {
    type: 'object',
    properties: {
      endpoint_addrs: { type: 'array', minItems: 1, items: URI_SCHEMA },
      endpoint_uri: { type: 'string', minLength: 1, default: '/loki/api/v1/push' },
      tenant_id: { type: 'string', default: 'fake' },
      headers: TEXTS,
      log_labels: { ...TEXTS, default: { job: 'apisix' } },
      ssl_verify: { type: 'boolean', default: false },
      timeout: {
        type: 'integer',
        minimum: 1,
        maximum: 60_000,
        default: 3000,
        description: 'milliseconds',
      },
      keepalive: { type: 'boolean', default: true },
      keepalive_timeout: {
        type: 'integer',
        minimum: 1000,
        default: 60_000,
        description: 'milliseconds',
      },
      keepalive_pool: { type: 'integer', minimum: 1, default: 5 },
      ...LOG_FORMAT_SCHEMA,
      ...LOGGED_BODIES_SCHEMA,
      ...batchSchema('loki logger'),
    },
    encrypt_fields: ['headers'],
    required: ['endpoint_addrs'],
  },
  metadataSchema: {
    type: 'object',
    properties: { ...LOG_FORMAT_SCHEMA, ...BATCH_METADATA_SCHEMA },
  },
  check: checkBodyExpressions,
};
