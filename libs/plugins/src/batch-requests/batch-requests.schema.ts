import type { PluginDefinition } from '@polygate/plugin-sdk';

/** The plugin has no conf: its endpoint is there when the plugin is enabled. */
export type BatchRequestsConf = Readonly<Record<string, unknown>>;

/** Source: apisix/plugins/batch-requests.lua. */
export const definition: PluginDefinition<BatchRequestsConf> = {
  name: 'batch-requests',
  version: 0.1,
  priority: 4010,
  scope: 'global',
  schema: { type: 'object' },
  metadataSchema: {
    type: 'object',
    properties: {
      max_body_size: {
        description: 'max pipeline body size in bytes',
        type: 'integer',
        exclusiveMinimum: 0,
        default: 1048576,
      },
      max_pipeline_items: {
        description: 'max number of requests allowed in the pipeline',
        type: 'integer',
        exclusiveMinimum: 0,
        default: 1000,
      },
    },
  },
};
