import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface PublicApiConf {
  /** Path of the API; without it the path of the request. */
  readonly uri?: string;
}

/** Source: apisix/plugins/public-api.lua. */
export const definition: PluginDefinition<PublicApiConf> = {
  name: 'public-api',
  version: 0.1,
  priority: 501,
  schema: { type: 'object', properties: { uri: { type: 'string' } } },
};
