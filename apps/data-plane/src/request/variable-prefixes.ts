import { HeaderList } from '@polygate/plugin-sdk';
import { captureParameters } from '../routing/path-parameters.ts';
import { sslVariable } from '../tls/ssl-variables.ts';
import type { GatewayContext } from './gateway-context.ts';
import { firstArgument } from './query.ts';
import type { VariableReader } from './variable-table.ts';

export interface VariablePrefix {
  readonly prefix: string;
  /** One line, for `docs/variables.md`. */
  readonly meaning: string;
  readonly reader: (rest: string) => VariableReader;
}

/** Whether any configuration names headers of upstreams: until then nobody keeps them. */
let areUpstreamHeadersWanted = false;

/** Names with a variable part: the longest first where one begins like another. */
export const PREFIXES: readonly VariablePrefix[] = [
  {
    prefix: 'ssl_',
    meaning: 'of the TLS connection with the client',
    reader: (name) => (ctx) => sslVariable(ctx.exchange.tls, `ssl_${name}`),
  },
  {
    prefix: 'arg_',
    meaning: 'first argument of that name in the query',
    reader: (name) => (ctx) => firstArgument(ctx.request.query, name),
  },
  {
    prefix: 'http_',
    meaning: 'header of the request, `_` standing for `-`',
    reader: (name) => headerReader(name, (ctx) => ctx.request.headers),
  },
  {
    prefix: 'sent_http_',
    meaning: 'header of the answer, as it is sent',
    reader: (name) => headerReader(name, (ctx) => ctx.response.headers),
  },
  {
    prefix: 'sent_trailer_',
    meaning: 'trailer of the answer',
    reader: (name) => headerReader(name, (ctx) => ctx.response.trailers),
  },
  {
    prefix: 'upstream_http_',
    meaning: 'header of the answer, as the upstream sent it',
    reader: (name) => upstreamHeaderReader(name),
  },
  {
    prefix: 'upstream_trailer_',
    meaning: 'trailer of the answer of the upstream',
    reader: (name) => headerReader(name, (ctx) => fromUpstream(ctx, ctx.response.trailers)),
  },
  {
    prefix: 'upstream_cookie_',
    meaning: 'cookie that the upstream set',
    reader: (name) => upstreamCookieReader(name),
  },
  {
    prefix: 'post_arg_',
    meaning: 'argument of that name in a form',
    reader: (name) => (ctx) => bodyText(ctx, `post_arg_${name}`),
  },
  {
    prefix: 'post_arg.',
    meaning: 'member of a body in JSON, or of a form, by its path',
    reader: (path) => (ctx) => bodyText(ctx, `post_arg.${path}`),
  },
  {
    prefix: 'graphql_',
    meaning: '`name`, `operation` or `root_fields` of a GraphQL request',
    reader: (name) => (ctx) => bodyText(ctx, `graphql_${name}`),
  },
  {
    prefix: 'uri_param_',
    meaning: 'part of the path, by its name in the pattern of the route',
    reader: (name) => (ctx) => pathParameter(ctx, name),
  },
  {
    prefix: 'cookie_',
    meaning: 'cookie of the request',
    reader: (name) => (ctx) => cookie(ctx.request.headers.getAll('cookie'), name),
  },
];

/**
 * A copy of the head that the upstream sent, before plugins change it. Undefined, and for nothing,
 * while no request has asked for a variable of it.
 */
export function keptUpstreamHeaders(headers: HeaderList): HeaderList | undefined {
  return areUpstreamHeadersWanted ? HeaderList.fromRaw(headers.toRaw()) : undefined;
}

function upstreamHeadersOf(ctx: GatewayContext): HeaderList | undefined {
  return ctx.response.upstreamHeaders ?? fromUpstream(ctx, ctx.response.headers);
}

function fromUpstream<T>({ response }: GatewayContext, value: T): T | undefined {
  return response.source === 'upstream' ? value : undefined;
}

function upstreamHeaderReader(name: string): VariableReader {
  areUpstreamHeadersWanted = true;
  return headerReader(name, upstreamHeadersOf);
}

function upstreamCookieReader(name: string): VariableReader {
  areUpstreamHeadersWanted = true;
  return (ctx) => {
    const written = upstreamHeadersOf(ctx)?.getAll('set-cookie') ?? [];
    return cookie(
      written.map((header) => header.split(';', 1)[0] ?? ''),
      name,
    );
  };
}

function headerReader(
  name: string,
  of: (ctx: GatewayContext) => HeaderList | undefined,
): VariableReader {
  const header = name.replaceAll('_', '-').toLowerCase();
  if (!header.includes('-')) return (ctx) => of(ctx)?.get(header);
  return (ctx) => {
    const headers = of(ctx);
    return headers?.get(header) ?? (headers && withUnderscores(headers, header));
  };
}

/** To nginx `x_user` and `x-user` are both `$http_x_user`. */
function withUnderscores(headers: HeaderList, header: string): string | undefined {
  let found: string | undefined;
  headers.forEach((name, value) => {
    if (found !== undefined || !name.includes('_')) return;
    if (name.replaceAll('_', '-').toLowerCase() === header) found = value;
  });
  return found;
}

function bodyText(ctx: GatewayContext, name: string): string | undefined {
  const value = ctx.vars.bodyValue(name);
  return value === undefined || typeof value === 'string' ? value : JSON.stringify(value);
}

/** Of the pattern that matched: `:id`, `*rest`. */
function pathParameter({ route, request }: GatewayContext, name: string): string | undefined {
  if (route === undefined) return undefined;
  return captureParameters(route.matchedPath, request.matchPath).get(name);
}

function cookie(headers: readonly string[], name: string): string | undefined {
  for (const header of headers) {
    for (const pair of header.split(';')) {
      const equals = pair.indexOf('=');
      if (equals !== -1 && pair.slice(0, equals).trim() === name)
        return pair.slice(equals + 1).trim();
    }
  }
  return undefined;
}
