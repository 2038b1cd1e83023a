import type { CompiledRoute, ConfigSnapshot } from '../config/config-snapshot.ts';
import type { GatewayContext } from '../request/gateway-context.ts';
import type { RouteRequest } from '../routing/route-request.ts';
import type { CompiledUpstream } from '../upstream/compiled-upstream.ts';
import { EMPTY_CHAIN } from './plugin-chain.ts';

/** What matching looks at, of this request. */
export function routeRequestOf(ctx: GatewayContext): RouteRequest {
  const { request } = ctx;
  return {
    method: request.method,
    host: request.host,
    path: request.matchPath,
    clientAddress: ctx.client.address,
    vars: ctx.vars,
  };
}

/** Finds the route and lays out the request's chains. Undefined: there is none. */
export function matchRoute(ctx: GatewayContext): CompiledRoute | undefined {
  const match = ctx.snapshot.match(routeRequestOf(ctx));
  if (match === undefined) return forgetRoute(ctx);
  const route = match.target;
  ctx.compiledRoute = route;
  ctx.chain = route.chain;
  ctx.globalRules = route.globalRulesFor(ctx.snapshot.globalRules);
  ctx.route = {
    id: route.id,
    name: route.name,
    serviceId: route.serviceId,
    serviceName: route.serviceName,
    labels: route.labels,
    matchedPath: match.pattern,
    matchedHost: match.host,
  };
  return route;
}

/** A first try without the body may have found one. */
function forgetRoute(ctx: GatewayContext): undefined {
  ctx.compiledRoute = undefined;
  ctx.route = undefined;
  ctx.chain = EMPTY_CHAIN;
  ctx.globalRules = ctx.snapshot.globalRules;
  return undefined;
}

/** The upstream that a route stands for, or names. Undefined where it has none, or it is missing. */
export function upstreamOfRoute(
  route: CompiledRoute | undefined,
  snapshot: ConfigSnapshot,
): CompiledUpstream | undefined {
  if (route?.upstreamId === undefined) return route?.upstream;
  return snapshot.upstreams.get(route.upstreamId);
}
