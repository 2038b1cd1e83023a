import { definePlugin } from '@polygate/plugin-sdk';
import {
  callForResponse,
  disposeExternalCall,
  keepForResponse,
  prepareExternalCall,
} from '../external-call.ts';
import { definition } from './ext-plugin-post-resp.schema.ts';

export default definePlugin(definition, {
  prepare: (conf, env) => prepareExternalCall(definition.name, conf, env),
  dispose: disposeExternalCall,
  beforeProxy: keepForResponse,
  response: callForResponse,
});
