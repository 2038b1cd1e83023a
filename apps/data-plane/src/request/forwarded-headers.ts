import type { GatewayContext } from './gateway-context.ts';

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
  const { headers } = ctx.request;
  const isTrusted = trusted?.has(ctx.exchange.client.address) === true;
  const host = headers.getKnown('host') ?? ctx.request.host;
  if (isTrusted) {
    if (!headers.has('x-forwarded-proto')) headers.append('X-Forwarded-Proto', ctx.request.scheme);
    if (!headers.has('x-forwarded-host')) headers.append('X-Forwarded-Host', host);
    if (!headers.has('x-forwarded-port')) headers.append('X-Forwarded-Port', portText(ctx));
    return;
  }
  headers.setKnown('X-Forwarded-Proto', 'x-forwarded-proto', ctx.request.scheme);
  headers.setKnown('X-Forwarded-Host', 'x-forwarded-host', host);
  headers.setKnown('X-Forwarded-Port', 'x-forwarded-port', portText(ctx));
  headers.deleteKnown('forwarded');
  if (trusted === undefined) return;
  const original = headers.getAll('x-forwarded-for');
  if (original.length === 0) return;
  ctx.vars.set('original_x_forwarded_for', original.join(', '));
  headers.deleteKnown('x-forwarded-for');
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
