import type { RequestContext } from '@polygate/plugin-sdk';
import type { OpenidConnectConf } from './conf.ts';

const SUFFIX = '/.apisix/redirect';

/** Where the provider sends the browser back to. */
export interface RedirectUri {
  readonly url: string;
  /** Undefined: the gateway does not see it, as with an address without a path. */
  readonly path: string | undefined;
}

/** Of the conf, or the path of the request with `/.apisix/redirect` behind it. */
export function redirectUriOf(ctx: RequestContext, conf: OpenidConnectConf): RedirectUri {
  const uri = conf.redirect_uri ?? redirectPathOf(ctx.request.path);
  if (uri.startsWith('/')) return { url: originOf(ctx) + encodeURI(uri), path: uri };
  return { url: uri, path: /^[a-z]+:\/\/[^/?#]+(\/[^?#]*)/i.exec(uri)?.[1] };
}

function redirectPathOf(path: string): string {
  if (path.endsWith(SUFFIX)) return path;
  return (path.endsWith('/') ? path.slice(0, -1) : path) + SUFFIX;
}

/** What a trusted proxy says of the address that the client used; of another nothing is left here. */
function originOf({ request }: RequestContext): string {
  const { headers } = request;
  const forwarded = headers.getKnown('forwarded')?.split(',')[0] ?? '';
  const scheme =
    parameter(forwarded, 'proto') ?? first(headers.getKnown('x-forwarded-proto')) ?? request.scheme;
  const host =
    parameter(forwarded, 'host') ??
    forwardedHost(first(headers.getKnown('x-forwarded-host')), headers.getKnown('host')) ??
    request.host;
  return `${scheme}://${host}`;
}

/** The gateway itself writes X-Forwarded-Host without the port that the client named. */
function forwardedHost(
  forwarded: string | undefined,
  host: string | undefined,
): string | undefined {
  if (forwarded === undefined || host === undefined) return forwarded ?? host;
  return host.replace(/:\d+$/, '').toLowerCase() === forwarded.toLowerCase() ? host : forwarded;
}

function first(list: string | undefined): string | undefined {
  return list?.split(',')[0]?.trim();
}

function parameter(forwarded: string, name: string): string | undefined {
  for (const part of forwarded.split(';')) {
    const [key = '', value = ''] = part.split('=');
    if (key.trim().toLowerCase() === name) return value.trim().replace(/^"|"$/g, '');
  }
  return undefined;
}
