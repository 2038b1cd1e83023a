import type { PluginDefinition } from '@polygate/plugin-sdk';
import { BATCH_METADATA_SCHEMA, batchSchema, type BatchConf } from '../log-sinks/batch.schema.ts';

export interface DatadogConf extends BatchConf {
  readonly prefer_name: boolean;
  readonly include_path: boolean;
  readonly include_method: boolean;
  readonly constant_tags: readonly string[];
}

export interface DatadogMetadata {
  readonly host: string;
  readonly port: number;
  readonly namespace: string;
  readonly constant_tags: readonly string[];
}

export const DATADOG_DEFAULTS: DatadogMetadata = {
  host: '127.0.0.1',
  port: 8125,
  namespace: 'apisix',
  constant_tags: ['source:apisix'],
};

/**
 * Begins with a letter, goes on with letters, digits and `_.:/-`, and does not end with a colon. APISIX says
 * it with classes of Unicode and a look behind, which a linear-time engine does not have: here every
 * character beyond ASCII counts as a letter.
 */
const TAG = {
  type: 'string',
  minLength: 1,
  maxLength: 200,
  pattern: '^[^\\x00-@\\[-`{-\\x7f](?:[^\\x00-,;-@\\[-^`{-\\x7f]*[^\\x00-,:-@\\[-^`{-\\x7f])?$',
};

/** Source: apisix/plugins/datadog.lua. */
export const definition: PluginDefinition<DatadogConf> = {
  name: 'datadog',
  version: 0.1,
  priority: 495,
  schema: {
    type: 'object',
    properties: {
      prefer_name: { type: 'boolean', default: true },
      include_path: { type: 'boolean', default: false },
      include_method: { type: 'boolean', default: false },
      constant_tags: { type: 'array', items: TAG, default: [] },
      ...batchSchema('datadog'),
    },
  },
  metadataSchema: {
    type: 'object',
    properties: {
      host: { type: 'string', default: DATADOG_DEFAULTS.host },
      port: { type: 'integer', minimum: 0, default: DATADOG_DEFAULTS.port },
      namespace: { type: 'string', default: DATADOG_DEFAULTS.namespace },
      constant_tags: { type: 'array', items: TAG, default: DATADOG_DEFAULTS.constant_tags },
      ...BATCH_METADATA_SCHEMA,
    },
  },
};
