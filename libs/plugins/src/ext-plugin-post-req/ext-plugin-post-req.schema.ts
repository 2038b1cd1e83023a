import type { PluginDefinition } from '@polygate/plugin-sdk';
import type { ExternalCallConf } from '../external-call.ts';
import { EXTERNAL_CALL_SCHEMA } from '../external-call.schema.ts';

/** Source: apisix/plugins/ext-plugin-post-req.lua. */
export const definition: PluginDefinition<ExternalCallConf> = {
  name: 'ext-plugin-post-req',
  version: 0.1,
  priority: -3000,
  schema: EXTERNAL_CALL_SCHEMA,
};
