import { definePlugin } from '@polygate/plugin-sdk';
import { callExternal, prepareExternalCall } from '../external-call.ts';
import { definition } from './ext-plugin-pre-req.schema.ts';

export default definePlugin(definition, {
  prepare: (conf, env) => prepareExternalCall(definition.name, conf, env),
  rewrite: callExternal,
});
