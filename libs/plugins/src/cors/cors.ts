import { contextKey, definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { ALLOWED_ORIGIN } from './allowed-origin.ts';
import { definition, type CorsConf } from './cors.schema.ts';
import { originList, originNames, originPatterns, type OriginRule } from './origin-rule.ts';

interface Prepared {
  readonly origins: OriginRule;
  /** Undefined: nobody may see timing information. */
  readonly timingOrigins: OriginRule | undefined;
  readonly varies: boolean;
  readonly methods: string;
  readonly maxAge: string;
  /** Undefined: those that the client asks for. */
  readonly headers: string | undefined;
  readonly exposed: string | undefined;
  readonly credentials: boolean;
}

const ALL_METHODS = 'GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS,CONNECT,TRACE';
const PREFLIGHT: LocalReply = { status: 200 };

/** As the client sent it: plugins may change the header later on. */
const clientOrigin = contextKey<string>('cors origin');

export default definePlugin<CorsConf, Prepared>(definition, {
  prepare: (conf, env) => ({
    origins: originRule(conf, env),
    timingOrigins: timingRule(conf),
    varies: conf.allow_origins !== '*',
    methods: conf.allow_methods === '**' ? ALL_METHODS : conf.allow_methods,
    maxAge: String(conf.max_age),
    headers: conf.allow_headers === '**' ? undefined : conf.allow_headers,
    exposed: conf.expose_headers === '' ? undefined : conf.expose_headers,
    credentials: conf.allow_credential,
  }),

  rewrite(ctx) {
    const { headers, method } = ctx.request;
    const origin = headers.getKnown('origin');
    if (origin !== undefined) ctx.set(clientOrigin, origin);
    return method === 'OPTIONS' ? PREFLIGHT : undefined;
  },

  headerFilter(ctx, prepared) {
    const origin = ctx.get(clientOrigin);
    const { headers } = ctx.response;
    const allowed = prepared.origins(origin);
    if (prepared.varies) headers.appendKnown('Vary', 'vary', 'Origin');
    if (allowed !== undefined) allow(ctx, prepared, allowed);
    const timing = prepared.timingOrigins?.(origin);
    if (timing !== undefined)
      headers.setKnown('Timing-Allow-Origin', 'timing-allow-origin', timing);
  },
});

/** Names in the metadata come first; the conf's own origins then count unless they are the default. */
function originRule(conf: CorsConf, { metadata }: PluginEnvironment): OriginRule {
  const { allow_origins_by_regex: patterns, allow_origins_by_metadata: names } = conf;
  const own = patterns === undefined ? originList(conf.allow_origins) : originPatterns(patterns);
  if (names === undefined) return own;
  const named = originNames(names, metadata);
  if (conf.allow_origins === '*') return named;
  return (origin) => named(origin) ?? (origin === undefined ? undefined : own(origin));
}

function timingRule(conf: CorsConf): OriginRule | undefined {
  const { timing_allow_origins: origins, timing_allow_origins_by_regex: patterns } = conf;
  if (patterns !== undefined) return originPatterns(patterns);
  return origins === undefined ? undefined : originList(origins);
}

function allow(ctx: RequestContext, prepared: Prepared, origin: string): void {
  const { request, response } = ctx;
  const { headers } = response;
  ctx.set(ALLOWED_ORIGIN, origin);
  headers.setKnown('Access-Control-Allow-Origin', 'access-control-allow-origin', origin);
  headers.setKnown(
    'Access-Control-Allow-Methods',
    'access-control-allow-methods',
    prepared.methods,
  );
  headers.setKnown('Access-Control-Max-Age', 'access-control-max-age', prepared.maxAge);
  if (prepared.exposed !== undefined) {
    headers.setKnown(
      'Access-Control-Expose-Headers',
      'access-control-expose-headers',
      prepared.exposed,
    );
  }
  const asked = prepared.headers ?? request.headers.getKnown('access-control-request-headers');
  if (asked === undefined) headers.deleteKnown('access-control-allow-headers');
  else headers.setKnown('Access-Control-Allow-Headers', 'access-control-allow-headers', asked);
  if (prepared.credentials) {
    headers.setKnown(
      'Access-Control-Allow-Credentials',
      'access-control-allow-credentials',
      'true',
    );
  }
}
