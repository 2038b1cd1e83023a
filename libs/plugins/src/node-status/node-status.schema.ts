import type { PluginDefinition } from '@polygate/plugin-sdk';

/** Source: apisix/plugins/node-status.lua. */
export const definition: PluginDefinition = {
  name: 'node-status',
  version: 0.1,
  priority: 1000,
  scope: 'global',
  enabledByDefault: false,
  schema: { type: 'object' },
};
