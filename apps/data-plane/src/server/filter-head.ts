import { runResponsePhase } from '../pipeline/run-phase.ts';
import type { GatewayContext } from '../request/gateway-context.ts';
import type { Gateway } from './gateway.ts';

/** What plugins and the gateway do to the answer's head before it is sent. */
export function filterHead(ctx: GatewayContext, gateway: Gateway): void {
  const { headers, hasEarly } = ctx.response;
  if (hasEarly) {
    const replaced = new Set<string>();
    ctx.response.early.forEach((name, value, lower) => {
      if (replaced.has(lower)) headers.append(name, value);
      else headers.set(name, value);
      replaced.add(lower);
    });
  }
  headers.setKnown('Server', 'server', gateway.productName);
  if (gateway.showUpstreamStatus || ctx.response.status >= 500) tellUpstreamStatus(ctx, gateway);
  runResponsePhase(ctx.globalRules.headerFilter, ctx);
  runResponsePhase(ctx.chain.headerFilter, ctx);
  if (ctx.debugTrace !== undefined) headers.set('Apisix-Plugins', ctx.debugTrace.finishHead(ctx));
}

/** Of several tries, `502, 200`, the last one counts: apisix/init.lua, set_resp_upstream_status. */
function tellUpstreamStatus(ctx: GatewayContext, gateway: Gateway): void {
  const statuses = ctx.vars.get('upstream_status');
  if (statuses === undefined) return;
  if (!gateway.showUpstreamStatus && statuses.at(-3) !== '5') return;
  ctx.response.headers.set('X-APISIX-Upstream-Status', statuses);
}
