import type { PluginDefinition } from '@polygate/plugin-sdk';

/**
 * Source: apisix/plugins/server-info.lua, which APISIX calls deprecated. It has the data plane tell what it
 * is: in the Control API, and in etcd.
 */
export const definition: PluginDefinition = {
  name: 'server-info',
  version: 0.1,
  priority: 990,
  scope: 'global',
  enabledByDefault: false,
  schema: { type: 'object' },
};
