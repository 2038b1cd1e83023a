import { definePlugin } from '@polygate/plugin-sdk';
import { callForRequest, disposeExternalCall, prepareExternalCall } from '../external-call.ts';
import { definition } from './ext-plugin-post-req.schema.ts';

export default definePlugin(definition, {
  prepare: (conf, env) => prepareExternalCall(definition.name, conf, env),
  dispose: disposeExternalCall,
  access: callForRequest,
});
