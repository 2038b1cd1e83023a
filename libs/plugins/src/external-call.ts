import { GatewayError } from '@polygate/plugin-sdk';
import type {
  ExternalConf,
  ExternalPluginConf,
  ExternalPlugins,
  JsonSchema,
  LocalReply,
  PluginEnvironment,
  RequestContext,
} from '@polygate/plugin-sdk';

/** Conf of every `ext-plugin-…` plugin. */
export interface ExternalCallConf {
  readonly conf?: readonly ExternalPluginConf[];
  readonly allow_degradation: boolean;
}

export interface ExternalCall {
  readonly external: ExternalPlugins;
  readonly conf: ExternalConf;
  readonly allowDegradation: boolean;
}

/** Source: apisix/plugins/ext-plugin/init.lua. No field is required: `{}` is valid. */
export const EXTERNAL_CALL_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    conf: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          name: { type: 'string', maxLength: 128, minLength: 1 },
          value: { type: 'string' },
        },
        required: ['name', 'value'],
      },
      minItems: 1,
    },
    allow_degradation: { type: 'boolean', default: false },
  },
};

/**
 * The key is `<conf type>#<conf id>#<plugin name>#<conf version>`: a runner keeps one token per
 * key, so pre-req and post-req of one route do not share one.
 */
export function prepareExternalCall(
  name: string,
  conf: ExternalCallConf,
  { source, external }: PluginEnvironment,
): ExternalCall {
  const key = `${source.kind}#${source.id}#${name}#${source.modifiedIndex}`;
  return {
    external,
    conf: { key, plugins: conf.conf ?? [] },
    allowDegradation: conf.allow_degradation,
  };
}

/** Asks the runner. A runner that fails ends the request with 503, or is passed over. */
export async function callExternal(
  ctx: RequestContext,
  call: ExternalCall,
): Promise<LocalReply | undefined> {
  try {
    return await call.external.handleRequest(ctx, call.conf);
  } catch (error) {
    // anything else than the runner failing (a body too large, a bug) has an answer of its own
    if (!(error instanceof GatewayError) || error.info.source !== 'runner') throw error;
    ctx.log.error(error.message);
    if (!call.allowDegradation) return { status: 503 };
    ctx.log.warn('Plugin Runner is wrong, allow degradation');
    return undefined;
  }
}
