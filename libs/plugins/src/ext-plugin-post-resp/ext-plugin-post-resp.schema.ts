import type { PluginDefinition } from '@polygate/plugin-sdk';
import type { ExternalCallConf } from '../external-call.ts';
import { EXTERNAL_CALL_SCHEMA } from '../external-call.schema.ts';

/**
 * Source: apisix/plugins/ext-plugin-post-resp.lua, which asks the upstream by a client of its own in
 * before_proxy. Here it looks at what the gateway's own client got.
 */
export const definition: PluginDefinition<ExternalCallConf> = {
  name: 'ext-plugin-post-resp',
  version: 0.1,
  priority: -4000,
  schema: EXTERNAL_CALL_SCHEMA,
};
