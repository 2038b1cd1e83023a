import { definePlugin } from '@polygate/plugin-sdk';
import { callExternal, prepareExternalCall } from '../external-call.ts';
import { definition } from './ext-plugin-post-req.schema.ts';

export default definePlugin(definition, {
  prepare: (conf, env) => prepareExternalCall(definition.name, conf, env),
  access: callExternal,
});
