import type { PluginDefinition } from '@polygate/plugin-sdk';

/**
 * Source: apisix/plugins/server-info.lua, which APISIX calls deprecated. The control API tells what it told;
 * nothing is written to the store.
 */
export const definition: PluginDefinition = {
  name: 'server-info',
  version: 0.1,
  priority: 990,
  scope: 'global',
  enabledByDefault: false,
  schema: { type: 'object' },
};
