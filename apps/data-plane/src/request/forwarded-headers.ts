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
  const observed = [
    ['X-Forwarded-Proto', ctx.request.scheme],
    ['X-Forwarded-Host', headers.get('host') ?? ctx.request.host],
    ['X-Forwarded-Port', String(ctx.server.port)],
  ] as const;
  for (const [name, value] of observed) {
    if (!isTrusted || !headers.has(name)) headers.set(name, value);
  }
  if (!isTrusted) headers.delete('Forwarded');
  if (trusted !== undefined && !isTrusted) headers.delete('X-Forwarded-For');
}
