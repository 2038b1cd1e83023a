import type { PluginDefinition } from '@polygate/plugin-sdk';

/** Source: apisix/plugins/log-rotate.lua. Everything it is told stands in `plugin_attr`. */
export const definition: PluginDefinition = {
  name: 'log-rotate',
  version: 0.1,
  priority: 100,
  scope: 'global',
  enabledByDefault: false,
  schema: { type: 'object', properties: {} },
};
