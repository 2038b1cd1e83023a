import type { HeaderList } from '@polygate/plugin-sdk';
import { runResponsePhase } from '../pipeline/run-phase.ts';
import type { GatewayContext } from '../request/gateway-context.ts';
import type { Gateway } from './gateway.ts';

/** What plugins and the gateway do to the answer's head before it is sent. */
export function filterHead(ctx: GatewayContext, gateway: Gateway): void {
  const { headers, hasEarly } = ctx.response;
  if (hasEarly) putEarly(ctx.response.early, headers);
  headers.setKnown('Server', 'server', gateway.productName);
  if (gateway.showUpstreamStatus || ctx.response.status >= 500) tellUpstreamStatus(ctx, gateway);
  runResponsePhase(ctx.globalRules.headerFilter, ctx);
  runResponsePhase(ctx.chain.headerFilter, ctx);
  if (ctx.debugTrace !== undefined) headers.set('Apisix-Plugins', ctx.debugTrace.finishHead(ctx));
}

/** The first of a name takes the place of what the answer has. */
function putEarly(early: HeaderList, headers: HeaderList): void {
  for (let i = 0; i < early.size; i++) {
    const lower = early.lowerNameAt(i);
    if (isFirst(early, i)) headers.setKnown(early.nameAt(i), lower, early.valueAt(i));
    else headers.appendKnown(early.nameAt(i), lower, early.valueAt(i));
  }
}

/** Of its name. */
function isFirst(list: HeaderList, index: number): boolean {
  const lower = list.lowerNameAt(index);
  for (let i = 0; i < index; i++) if (list.lowerNameAt(i) === lower) return false;
  return true;
}

/** Of several tries, `502, 200`, the last one counts: apisix/init.lua, set_resp_upstream_status. */
function tellUpstreamStatus(ctx: GatewayContext, gateway: Gateway): void {
  const statuses = ctx.vars.get('upstream_status');
  if (statuses === undefined) return;
  if (!gateway.showUpstreamStatus && statuses.at(-3) !== '5') return;
  ctx.response.headers.set('X-APISIX-Upstream-Status', statuses);
}
