import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface ExamplePluginConf {
  readonly i: number;
  readonly s?: string;
  readonly t?: readonly unknown[];
  readonly ip?: string;
  readonly port?: number;
}

/** Source: apisix/plugins/example-plugin.lua. */
export const definition: PluginDefinition<ExamplePluginConf> = {
  name: 'example-plugin',
  version: 0.1,
  priority: 0,
  hasControlApi: true,
  schema: {
    type: 'object',
    properties: {
      i: { type: 'number', minimum: 0 },
      s: { type: 'string' },
      t: { type: 'array', minItems: 1 },
      ip: { type: 'string' },
      port: { type: 'integer' },
    },
    required: ['i'],
  },
  metadataSchema: {
    type: 'object',
    properties: {
      ikey: { type: 'number', minimum: 0 },
      skey: { type: 'string' },
    },
    required: ['ikey', 'skey'],
  },
};
