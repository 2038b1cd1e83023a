import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface ZipkinConf {
  readonly endpoint: string;
  /** 0.00001 to 1 */
  readonly sample_ratio: number;
  readonly service_name: string;
  readonly server_addr?: string;
  readonly span_version: 1 | 2;
}

/** Source: apisix/plugins/zipkin.lua. */
export const definition: PluginDefinition<ZipkinConf> = {
  name: 'zipkin',
  version: 0.1,
  priority: 12_011,
  httpsFields: ['endpoint'],
  schema: {
    type: 'object',
    properties: {
      endpoint: { type: 'string' },
      sample_ratio: { type: 'number', minimum: 0.000_01, maximum: 1 },
      service_name: {
        type: 'string',
        description: 'the name that spans bear',
        default: 'APISIX',
      },
      server_addr: {
        type: 'string',
        description: 'an address to show in the place of $server_addr',
        pattern: '^[0-9]{1,3}.[0-9]{1,3}.[0-9]{1,3}.[0-9]{1,3}$',
      },
      span_version: { enum: [1, 2], default: 2 },
    },
    required: ['endpoint', 'sample_ratio'],
  },
};
