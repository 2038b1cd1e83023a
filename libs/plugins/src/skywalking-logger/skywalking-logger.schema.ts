import { URI_SCHEMA } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { BATCH_METADATA_SCHEMA, batchSchema } from '../log-sinks/batch.schema.ts';
import type { BatchedLoggerConf } from '../log-sinks/batched-logger.ts';
import { LOG_FORMAT_SCHEMA, LOGGED_BODIES_SCHEMA } from '../log-entries/log-entry.schema.ts';

export interface SkywalkingLoggerConf extends BatchedLoggerConf {
  readonly endpoint_addr: string;
  readonly service_name: string;
  /** `$hostname` stands for this machine's. */
  readonly service_instance_name: string;
  /** Seconds. */
  readonly timeout: number;
}

/** Source: apisix/plugins/skywalking-logger.lua. */
export const definition: PluginDefinition<SkywalkingLoggerConf> = {
  name: 'skywalking-logger',
  version: 0.1,
  priority: 408,
  httpsFields: ['endpoint_addr'],
  schema: {
    type: 'object',
    properties: {
      endpoint_addr: URI_SCHEMA,
      service_name: { type: 'string', default: 'APISIX' },
      service_instance_name: { type: 'string', default: 'APISIX Instance Name' },
      timeout: { type: 'integer', minimum: 1, default: 3 },
      ...LOG_FORMAT_SCHEMA,
      ...LOGGED_BODIES_SCHEMA,
      ...batchSchema('skywalking logger'),
    },
    required: ['endpoint_addr'],
  },
  metadataSchema: {
    type: 'object',
    properties: { ...LOG_FORMAT_SCHEMA, ...BATCH_METADATA_SCHEMA },
  },
};
