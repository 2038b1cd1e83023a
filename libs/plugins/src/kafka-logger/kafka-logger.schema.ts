import type { PluginDefinition } from '@polygate/plugin-sdk';
import type { KafkaBroker } from '../kafka/kafka-connection.ts';
import { brokersSchema, KAFKA_TLS_SCHEMA } from '../kafka/kafka-brokers.schema.ts';
import { BATCH_METADATA_SCHEMA, batchSchema } from '../log-sinks/batch.schema.ts';
import type { BatchedLoggerConf } from '../log-sinks/batched-logger.ts';
import {
  checkBodyExpressions,
  LOG_FORMAT_SCHEMA,
  LOGGED_BODIES_SCHEMA,
} from '../log-entries/log-entry.schema.ts';

export interface KafkaLoggerConf extends BatchedLoggerConf {
  readonly meta_format: 'default' | 'origin';
  /** Host → port, in the place of `brokers`. */
  readonly broker_list?: Readonly<Record<string, number>>;
  readonly brokers?: readonly KafkaBroker[];
  readonly tls?: { readonly verify: boolean };
  readonly kafka_topic: string;
  readonly required_acks: 1 | -1;
  readonly key?: string;
  /** Seconds. */
  readonly timeout: number;
  /** Seconds. */
  readonly meta_refresh_interval: number;
}

const count = (fallback: number, minimum = 1): object => ({
  type: 'integer',
  minimum,
  default: fallback,
});

/**
 * Source: apisix/plugins/kafka-logger.lua. `producer_type` and the `producer_…` are of a second buffer that
 * lua-resty-kafka has behind the batches, `api_version` of its message format: without effect here.
 */
export const definition: PluginDefinition<KafkaLoggerConf> = {
  name: 'kafka-logger',
  version: 0.1,
  priority: 403,
  tlsFields: ['tls.verify'],
  schema: {
    type: 'object',
    properties: {
      meta_format: { type: 'string', default: 'default', enum: ['default', 'origin'] },
      broker_list: {
        type: 'object',
        minProperties: 1,
        patternProperties: {
          '.*': {
            description: 'the port of kafka broker',
            type: 'integer',
            minimum: 1,
            maximum: 65535,
          },
        },
      },
      brokers: brokersSchema(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']),
      tls: KAFKA_TLS_SCHEMA,
      kafka_topic: { type: 'string' },
      producer_type: { type: 'string', default: 'async', enum: ['async', 'sync'] },
      required_acks: { type: 'integer', default: 1, enum: [1, -1] },
      key: { type: 'string' },
      timeout: count(3),
      cluster_name: count(1),
      producer_batch_num: count(200),
      producer_batch_size: count(1_048_576, 0),
      producer_max_buffering: count(50_000),
      producer_time_linger: count(1),
      meta_refresh_interval: count(30),
      api_version: { type: 'integer', default: 1, enum: [0, 1, 2] },
      ...LOG_FORMAT_SCHEMA,
      ...LOGGED_BODIES_SCHEMA,
      ...batchSchema('kafka logger'),
    },
    oneOf: [{ required: ['broker_list', 'kafka_topic'] }, { required: ['brokers', 'kafka_topic'] }],
    encrypt_fields: ['brokers.sasl_config.password'],
  },
  metadataSchema: {
    type: 'object',
    properties: { ...LOG_FORMAT_SCHEMA, ...BATCH_METADATA_SCHEMA },
  },
  check: checkBodyExpressions,
};
