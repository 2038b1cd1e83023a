import { compilePattern, type Pattern } from '@polygate/model';
import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { headerValue } from '../header-value.ts';
import { encodePath } from '../uri-encoding.ts';
import { compileLocation, type LocationTemplate } from './location-template.ts';
import { definition, type RedirectConf } from './redirect.schema.ts';

interface Substitution {
  readonly pattern: Pattern;
  readonly replacement: string;
}

interface Prepared {
  readonly status: number;
  readonly uri: LocationTemplate | undefined;
  readonly substitution: Substitution | undefined;
  /** Where to send a client that came by http, one for each port; undefined: nowhere. */
  readonly https: readonly LocationTemplate[] | undefined;
  readonly encodes: boolean;
  readonly appendsQuery: boolean;
}

export default definePlugin<RedirectConf, Prepared>(definition, {
  prepare(conf, env) {
    const [pattern, replacement = ''] = conf.regex_uri ?? [];
    return {
      status: conf.ret_code,
      uri: conf.uri === undefined ? undefined : compileLocation(conf.uri),
      substitution:
        pattern === undefined ? undefined : { pattern: compilePattern(pattern), replacement },
      https: conf.http_to_https === true ? httpsLocations(env) : undefined,
      encodes: conf.encode_uri,
      appendsQuery: conf.append_query_string,
    };
  },

  rewrite(ctx, prepared) {
    const { https, uri, substitution } = prepared;
    if (https !== undefined) {
      const scheme = ctx.request.headers.getKnown('x-forwarded-proto') ?? ctx.request.scheme;
      if (scheme === 'https') return undefined;
      const locate = https[https.length === 1 ? 0 : Math.floor(Math.random() * https.length)];
      if (locate === undefined) return undefined;
      const { method } = ctx.request;
      // 308 keeps method and body
      const status = method === 'GET' || method === 'HEAD' ? 301 : 308;
      return reply(ctx, prepared, status, locate(ctx.vars));
    }
    if (uri !== undefined) return reply(ctx, prepared, prepared.status, uri(ctx.vars));
    if (substitution === undefined) return undefined;
    return substitute(ctx, prepared, substitution);
  },
});

function substitute(
  ctx: RequestContext,
  prepared: Prepared,
  { pattern, replacement }: Substitution,
): LocalReply | undefined {
  const { path } = ctx.request;
  try {
    if (!pattern.test(path)) return undefined;
    return reply(ctx, prepared, prepared.status, pattern.replaceFirst(path, replacement));
  } catch (error) {
    // a path too long for the pattern
    const reason = error instanceof Error ? error.message : String(error);
    ctx.log.error(
      `failed to substitute the uri:${path} (${pattern.source}) with ${replacement}, error:${reason}`,
    );
    return { status: 500 };
  }
}

function reply(
  { request }: RequestContext,
  { encodes, appendsQuery }: Prepared,
  status: number,
  target: string,
): LocalReply {
  const mark = target.indexOf('?');
  let location = target;
  if (encodes) {
    location =
      mark === -1 ? encodePath(target) : encodePath(target.slice(0, mark)) + target.slice(mark);
  }
  if (appendsQuery && request.query !== '') {
    location += `${mark === -1 ? '?' : '&'}${request.query}`;
  }
  return { status, headers: { Location: headerValue(location) } };
}

/** `plugin_attr.redirect.https_port`, or else one of the ports that TLS is served on. */
function httpsLocations({ attr, httpsPorts }: PluginEnvironment): readonly LocationTemplate[] {
  const { https_port: port } = attr;
  const ports = typeof port === 'number' ? [port] : httpsPorts.length > 0 ? httpsPorts : [443];
  return ports.map((one) =>
    compileLocation(
      one === 443 || one <= 0 || one > 65_535
        ? 'https://$host$request_uri'
        : `https://$host:${one}$request_uri`,
    ),
  );
}
