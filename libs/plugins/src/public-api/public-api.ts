import { definePlugin, type LocalReply, type PublicApi } from '@polygate/plugin-sdk';
import { definition, type PublicApiConf } from './public-api.schema.ts';

interface Prepared {
  readonly uri: string | undefined;
  readonly apis: ReadonlyMap<string, readonly PublicApi[]>;
}

/** Lets a route answer with an endpoint that an enabled plugin has; 404 for what none has. */
export default definePlugin<PublicApiConf, Prepared>(definition, {
  prepare: (conf, env) => ({
    uri: conf.uri,
    apis: Map.groupBy(env.publicApis, (api) => api.path),
  }),

  access(ctx, { uri, apis }) {
    if (uri !== undefined) ctx.vars.set('uri', uri);
    const { request } = ctx;
    const atPath = apis.get(uri ?? request.path);
    const api = atPath?.find(({ methods }) => methods.includes(request.method));
    if (api === undefined) return { status: 404 };
    const reply = api.handle(ctx);
    return reply instanceof Promise ? reply.then(asJson) : asJson(reply);
  },
});

/** An object says what it is: apisix/api_router.lua. */
function asJson(reply: LocalReply): LocalReply {
  if (typeof reply.body !== 'object' || reply.body instanceof Uint8Array) return reply;
  return { ...reply, headers: { 'Content-Type': 'application/json', ...reply.headers } };
}
