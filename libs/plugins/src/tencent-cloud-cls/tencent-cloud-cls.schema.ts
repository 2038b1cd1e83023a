import type { PluginDefinition } from '@polygate/plugin-sdk';
import { BATCH_METADATA_SCHEMA, batchSchema } from '../log-sinks/batch.schema.ts';
import type { BatchedLoggerConf } from '../log-sinks/batched-logger.ts';
import {
  checkBodyExpressions,
  LOG_FORMAT_SCHEMA,
  LOGGED_BODIES_SCHEMA,
} from '../log-entries/log-entry.schema.ts';

export interface TencentCloudClsConf extends BatchedLoggerConf {
  /** Without scheme. */
  readonly cls_host: string;
  readonly cls_topic: string;
  readonly scheme: 'http' | 'https';
  readonly ssl_verify: boolean;
  readonly secret_id: string;
  readonly secret_key: string;
  /** 0.00001 to 1 */
  readonly sample_ratio: number;
  /** Added to each entry. */
  readonly global_tag?: Readonly<Record<string, unknown>>;
}

/** Source: apisix/plugins/tencent-cloud-cls.lua. */
export const definition: PluginDefinition<TencentCloudClsConf> = {
  name: 'tencent-cloud-cls',
  version: 0.1,
  priority: 397,
  schema: {
    type: 'object',
    properties: {
      cls_host: { type: 'string' },
      cls_topic: { type: 'string' },
      scheme: { type: 'string', enum: ['http', 'https'], default: 'https' },
      ssl_verify: { type: 'boolean', default: true },
      secret_id: { type: 'string' },
      secret_key: { type: 'string' },
      sample_ratio: { type: 'number', minimum: 0.000_01, maximum: 1, default: 1 },
      ...LOGGED_BODIES_SCHEMA,
      global_tag: { type: 'object' },
      ...LOG_FORMAT_SCHEMA,
      ...batchSchema('tencent-cloud-cls'),
    },
    encrypt_fields: ['secret_key'],
    required: ['cls_host', 'cls_topic', 'secret_id', 'secret_key'],
  },
  metadataSchema: {
    type: 'object',
    properties: { ...LOG_FORMAT_SCHEMA, ...BATCH_METADATA_SCHEMA },
  },
  check: checkBodyExpressions,
};
