import { HOST_SCHEMA } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import type { KafkaBroker } from '../kafka/kafka-connection.ts';
import { brokersSchema, KAFKA_TLS_SCHEMA } from '../kafka/kafka-brokers.schema.ts';

interface TcpTarget {
  readonly host: string;
  readonly port: number;
  readonly tls?: boolean;
  readonly tls_server_name?: string;
}

/** One of `tcp`, `skywalking`, `clickhouse` and `kafka`, or as it was long ago, `host` and `port`. */
export interface ErrorLogMetadata extends Partial<TcpTarget> {
  readonly tcp?: TcpTarget;
  readonly skywalking?: {
    readonly endpoint_addr: string;
    readonly service_name: string;
    readonly service_instance_name: string;
  };
  readonly clickhouse?: {
    readonly endpoint_addr: string;
    readonly user: string;
    readonly password: string;
    readonly database: string;
    readonly logtable: string;
  };
  readonly kafka?: {
    readonly brokers: readonly KafkaBroker[];
    readonly tls?: { readonly verify: boolean };
    readonly kafka_topic: string;
    readonly required_acks: 0 | 1 | -1;
    readonly key?: string;
    /** Seconds. */
    readonly meta_refresh_interval: number;
  };
  readonly name: string;
  readonly level: string;
  /** Seconds. */
  readonly timeout: number;
  readonly batch_max_size: number;
  readonly max_retry_count: number;
  readonly retry_delay: number;
  readonly buffer_duration: number;
  readonly inactive_timeout: number;
}

/** nginx's, the gravest first; those with one number are one. */
export const LEVELS: Readonly<Record<string, number | undefined>> = {
  STDERR: 0,
  EMERG: 1,
  ALERT: 2,
  CRIT: 3,
  ERR: 4,
  ERROR: 4,
  WARN: 5,
  NOTICE: 6,
  INFO: 7,
  DEBUG: 8,
};

const text = (fallback: string): object => ({ type: 'string', default: fallback });
const count = (fallback: number, minimum: number): object => ({
  type: 'integer',
  minimum,
  default: fallback,
});

/** Source: apisix/plugins/error-log-logger.lua. Everything it is told stands in its metadata. */
export const definition: PluginDefinition = {
  name: 'error-log-logger',
  version: 0.1,
  priority: 1091,
  scope: 'global',
  enabledByDefault: false,
  schema: { type: 'object' },
  metadataSchema: {
    type: 'object',
    properties: {
      tcp: {
        type: 'object',
        properties: {
          host: HOST_SCHEMA,
          port: { type: 'integer', minimum: 0 },
          tls: { type: 'boolean', default: false },
          tls_server_name: { type: 'string' },
        },
        required: ['host', 'port'],
      },
      skywalking: {
        type: 'object',
        properties: {
          // not checked in APISIX either
          endpoint_addr: { default: 'http://127.0.0.1:12900/v3/logs' },
          service_name: text('APISIX'),
          service_instance_name: text('APISIX Service Instance'),
        },
      },
      clickhouse: {
        type: 'object',
        properties: {
          endpoint_addr: { default: 'http://127.0.0.1:8123' },
          user: text('default'),
          password: text(''),
          database: text(''),
          logtable: text(''),
        },
        required: ['endpoint_addr', 'user', 'password', 'database', 'logtable'],
      },
      kafka: {
        type: 'object',
        properties: {
          brokers: brokersSchema(['PLAIN']),
          tls: KAFKA_TLS_SCHEMA,
          kafka_topic: { type: 'string' },
          producer_type: { type: 'string', default: 'async', enum: ['async', 'sync'] },
          required_acks: { type: 'integer', default: 1, enum: [0, 1, -1] },
          key: { type: 'string' },
          cluster_name: count(1, 1),
          meta_refresh_interval: count(30, 1),
        },
        required: ['brokers', 'kafka_topic'],
      },
      name: text('error-log-logger'),
      level: { type: 'string', default: 'WARN', enum: Object.keys(LEVELS) },
      timeout: count(3, 1),
      keepalive: count(30, 1),
      batch_max_size: count(1000, 0),
      max_retry_count: count(0, 0),
      retry_delay: count(1, 0),
      buffer_duration: count(60, 1),
      inactive_timeout: count(3, 1),
    },
    oneOf: [
      { required: ['skywalking'] },
      { required: ['tcp'] },
      { required: ['clickhouse'] },
      { required: ['kafka'] },
      // as it was long ago
      { required: ['host', 'port'] },
    ],
    encrypt_fields: ['clickhouse.password', 'kafka.brokers.sasl_config.password'],
  },
};
