import type { HeaderList } from '@polygate/plugin-sdk';
import type { GatewayContext } from './gateway-context.ts';

/** As the client sent them, several of one name in one text; empty: it sent none. */
export interface OriginalForwarded {
  readonly for: string;
  readonly proto: string;
  readonly host: string;
  readonly port: string;
  /** `Forwarded` of RFC 7239. */
  readonly all: string;
}

/**
 * X-Forwarded-Proto, -Host and -Port say what this gateway saw, and Forwarded goes, unless the peer is
 * one of `apisix.trusted_addresses`: then its own values stay. With trusted addresses configured, the
 * X-Forwarded-For of any other peer goes too. Source: `handle_trusted_x_forwarded_headers` in
 * apisix/init.lua, and ngx_tpl.lua.
 */
export function sanitizeForwardedHeaders(
  ctx: GatewayContext,
  trusted: { has(address: string): boolean } | undefined,
): void {
  const { headers, scheme } = ctx.request;
  // nginx's $host is the name of the server where the client named none: `_`
  const host = headers.getKnown('host') || ctx.request.host || '_';
  const port = portOf(host) ?? portText(ctx);
  const original = originalsIn(headers);
  if (original === undefined) {
    headers.appendKnown('X-Forwarded-Proto', 'x-forwarded-proto', scheme);
    headers.appendKnown('X-Forwarded-Host', 'x-forwarded-host', host);
    headers.appendKnown('X-Forwarded-Port', 'x-forwarded-port', port);
    return;
  }
  ctx.originalForwarded = original;
  const isTrusted = trusted?.has(ctx.exchange.client.address) === true;
  const keeps = (value: string): boolean => isTrusted && value !== '';
  if (!keeps(original.proto)) headers.setKnown('X-Forwarded-Proto', 'x-forwarded-proto', scheme);
  if (!keeps(original.host)) headers.setKnown('X-Forwarded-Host', 'x-forwarded-host', host);
  if (!keeps(original.port)) headers.setKnown('X-Forwarded-Port', 'x-forwarded-port', port);
  if (isTrusted) return;
  headers.deleteKnown('forwarded');
  if (trusted !== undefined) headers.deleteKnown('x-forwarded-for');
}

/** Undefined for most clients: one look at each header, and nothing to look for again. */
function originalsIn(headers: HeaderList): OriginalForwarded | undefined {
  const { size } = headers;
  for (let i = 0; i < size; i++) {
    const name = headers.lowerNameAt(i);
    if (name !== 'forwarded' && !name.startsWith('x-forwarded-')) continue;
    return {
      for: joined(headers, 'x-forwarded-for'),
      proto: joined(headers, 'x-forwarded-proto'),
      host: joined(headers, 'x-forwarded-host'),
      port: joined(headers, 'x-forwarded-port'),
      all: joined(headers, 'forwarded'),
    };
  }
  return undefined;
}

function joined(headers: HeaderList, name: string): string {
  return headers.getAll(name).join(', ');
}

/** Of a Host header, which says what the client connected to when something stands before us. */
function portOf(host: string): string | undefined {
  const colon = host.lastIndexOf(':');
  if (colon === -1 || colon === host.length - 1) return undefined;
  for (let i = colon + 1; i < host.length; i++) {
    const code = host.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return undefined;
  }
  return host.slice(colon + 1);
}

let lastPort = 0;
let lastPortText = '0';

/** Most requests come in by the same port. */
function portText({ server }: GatewayContext): string {
  if (server.port !== lastPort) {
    lastPort = server.port;
    lastPortText = String(lastPort);
  }
  return lastPortText;
}
