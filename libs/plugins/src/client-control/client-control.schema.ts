import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface ClientControlConf {
  /** Bytes; 0: no limit. */
  readonly max_body_size?: number;
}

/** Source: apisix/plugins/client-control.lua. */
export const definition: PluginDefinition<ClientControlConf> = {
  name: 'client-control',
  version: 0.1,
  priority: 22_000,
  schema: {
    type: 'object',
    properties: {
      max_body_size: {
        type: 'integer',
        minimum: 0,
        description: 'Maximum message body size in bytes. No restriction when set to 0.',
      },
    },
  },
};
