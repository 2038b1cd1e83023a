import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface ProxyControlConf {
  readonly request_buffering: boolean;
}

/** Source: apisix/plugins/proxy-control.lua. */
export const definition: PluginDefinition<ProxyControlConf> = {
  name: 'proxy-control',
  version: 0.1,
  priority: 21_990,
  schema: {
    type: 'object',
    properties: { request_buffering: { type: 'boolean', default: true } },
  },
};
