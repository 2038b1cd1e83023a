import { definePlugin, type LocalReply, type PublicApi } from '@polygate/plugin-sdk';
import { definition, type PublicApiConf } from './public-api.schema.ts';

interface Prepared {
  readonly uri: string | undefined;
  readonly apis: ReadonlyMap<string, readonly PublicApi[]>;
  /** Of every path that begins so. */
  readonly prefixed: readonly (readonly [string, PublicApi])[];
}

/** Lets a route answer with an endpoint that an enabled plugin has; 404 for what none has. */
export default definePlugin<PublicApiConf, Prepared>(definition, {
  prepare: (conf, env) => ({
    uri: conf.uri,
    apis: Map.groupBy(env.publicApis, (api) => api.path),
    prefixed: env.publicApis.flatMap((api) =>
      api.path.endsWith('*') ? [[api.path.slice(0, -1), api] as const] : [],
    ),
  }),

  access(ctx, { uri, apis, prefixed }) {
    if (uri !== undefined) ctx.vars.set('uri', uri);
    const { request } = ctx;
    const path = uri ?? request.path;
    const under = prefixed.flatMap(([prefix, api]) => (path.startsWith(prefix) ? api : []));
    const api = [...(apis.get(path) ?? []), ...under].find(({ methods }) =>
      methods.includes(request.method),
    );
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
