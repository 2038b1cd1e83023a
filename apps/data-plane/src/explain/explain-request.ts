import type { Logger, Peer } from '@polygate/plugin-sdk';
import { candidatesOf, layersOfRoute } from '../config/compile-route.ts';
import type { CompiledRoute, ConfigSnapshot } from '../config/config-snapshot.ts';
import type { ConfigItem } from '../config/config-item.ts';
import { originOf } from '../config/prepared-plugins.ts';
import { candidatesIn } from '../config/route-of-items.ts';
import type { SnapshotParts } from '../config/snapshot-builder.ts';
import { matchRoute, routeRequestOf, upstreamOfRoute } from '../pipeline/match-route.ts';
import { EMPTY_CHAIN } from '../pipeline/plugin-chain.ts';
import type { BodyVariableLimits } from '../request/body-variables.ts';
import { sanitizeForwardedHeaders } from '../request/forwarded-headers.ts';
import { GatewayContext } from '../request/gateway-context.ts';
import type { FindClient } from '../request/real-ip.ts';
import { parseRequestTarget } from '../request/request-target.ts';
import type { TargetRules } from '../request/request-target.ts';
import type { RouteCandidate } from '../routing/route-request.ts';
import { explainLeftOut, explainPhases, explainPlugins } from './explain-chain.ts';
import type { LeftOutPlugin } from './explain-chain.ts';
import { explainCandidates } from './explain-match.ts';
import type { RoutesToExplain } from './explain-match.ts';
import { explainUpstream } from './explain-upstream.ts';
import { explainedExchange } from './explained-exchange.ts';
import type { ExplainQuestion } from './question.ts';

/** What a worker serves requests with, as far as it matters here. */
export interface ExplainSurroundings {
  readonly snapshot: ConfigSnapshot;
  /** Of this snapshot. */
  readonly parts: SnapshotParts;
  readonly targetRules: TargetRules;
  readonly trusted: { has(address: string): boolean } | undefined;
  readonly findClient: FindClient;
  readonly bodyBytesMax: number;
  readonly bodyLimits: BodyVariableLimits;
  /** Where the request would have come in. */
  readonly server: Peer;
}

/** Nothing happened that anybody should read of. */
const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/**
 * What would become of this request: its route, and why others were not taken; the plugins in order,
 * and where each conf comes from; the upstream. Built with the code that serves requests, up to where
 * the first plugin would run: what plugins would change is not known.
 */
export function explainRequest(
  question: ExplainQuestion,
  around: ExplainSurroundings,
): Record<string, unknown> {
  const { snapshot, parts } = around;
  const { revision } = snapshot;
  const target = parseRequestTarget(question.target, around.targetRules);
  if (target === undefined) {
    return { revision, answer: { status: 400, reason: 'the request target is malformed' } };
  }
  const ctx = new GatewayContext({
    exchange: explainedExchange(question, around.server),
    target,
    snapshot,
    chain: EMPTY_CHAIN,
    log: SILENT,
    bodyBytesMax: around.bodyBytesMax,
    bodyLimits: around.bodyLimits,
    findClient: around.findClient,
  });
  sanitizeForwardedHeaders(ctx, around.trusted);
  const request = routeRequestOf(ctx);
  const route = matchRoute(ctx);
  const { candidates, hasMore } = explainCandidates(request, route, routesToExplain(parts));
  return {
    revision,
    request: {
      method: request.method,
      host: request.host,
      uri: request.path,
      client_address: request.clientAddress,
    },
    route: route === undefined ? null : describeRoute(ctx),
    candidates,
    ...(hasMore && { more_candidates: true }),
    ...explainRoute(route, question.consumer, ctx, parts),
  };
}

function describeRoute({ route }: GatewayContext): Record<string, unknown> {
  return {
    id: route?.id,
    name: route?.name ?? null,
    service_id: route?.serviceId ?? null,
    uri: route?.matchedPath,
    host: route?.matchedHost ?? null,
  };
}

function explainRoute(
  route: CompiledRoute | undefined,
  consumerName: string | undefined,
  ctx: GatewayContext,
  parts: SnapshotParts,
): Record<string, unknown> {
  const { vars } = ctx;
  const globalRules = explainPlugins(ctx.globalRules, [], vars);
  const item = route === undefined ? undefined : parts.items.get('routes', route.id);
  if (route === undefined || item === undefined) {
    return {
      answer: { status: 404, reason: 'no route matches' },
      global_rules: globalRules,
      phases: explainPhases(ctx.globalRules, EMPTY_CHAIN, EMPTY_CHAIN),
    };
  }
  const found = findConsumer(route, consumerName, ctx, parts);
  const layers = [...layersOfRoute(item, parts.items), ...found.layers];
  const failure = route.failure ?? found.failure;
  const upstream = upstreamOfRoute(route, ctx.snapshot);
  return {
    ...(failure !== undefined && { answer: failure }),
    layers: layers.flatMap((layer) => (layer === undefined ? [] : originOf(layer))),
    ...(found.consumer !== undefined && { consumer: found.consumer }),
    global_rules: globalRules,
    plugins: explainPlugins(ctx.chain, layers, vars),
    left_out: [...explainLeftOutRules(ctx, parts), ...explainLeftOut(ctx.chain, layers, parts)],
    phases: explainPhases(ctx.globalRules, route.chain, ctx.chain),
    upstream: explainUpstream(upstream, { route, item, parts }),
  };
}

/** Global rules that do not run for this route. */
function explainLeftOutRules(ctx: GatewayContext, parts: SnapshotParts): readonly LeftOutPlugin[] {
  const all = ctx.snapshot.globalRules;
  const reason = 'run_policy prefer_route: the route has its own';
  const preferring = all.plugins.filter((plugin) => !ctx.globalRules.plugins.includes(plugin));
  return [
    ...preferring.map(({ name, origin }) => ({ name, from: origin, reason })),
    ...explainLeftOut(all, parts.items.all('global_rules'), { ...parts, isOnceOnly: true }),
  ];
}

interface FoundConsumer {
  /** As it is shown; undefined where none was named. */
  readonly consumer?: Readonly<Record<string, unknown>>;
  /** What it brings, weakest first. */
  readonly layers: readonly ConfigItem[];
  readonly failure?: { readonly status: number; readonly reason: string };
}

/** Makes it the request's consumer, as an auth plugin would. */
function findConsumer(
  route: CompiledRoute,
  username: string | undefined,
  ctx: GatewayContext,
  parts: SnapshotParts,
): FoundConsumer {
  if (username === undefined) return { layers: [] };
  const match = ctx.snapshot.consumers.findByName(username);
  if (match === undefined) return { consumer: { username, found: false }, layers: [] };
  ctx.attachConsumer(match);
  const { groupId } = match;
  const consumer = { username, found: true, group: groupId ?? null };
  const chain = route.chainFor(match);
  if (chain === undefined) {
    const reason = `failed to fetch consumer group config by id: ${groupId}`;
    return { consumer, layers: [], failure: { status: 503, reason } };
  }
  ctx.chain = chain;
  const layers = parts.layersOf(match);
  return {
    consumer,
    layers:
      layers === undefined
        ? []
        : [layers.group, layers.consumer].filter((item) => item !== undefined),
  };
}

function routesToExplain(parts: SnapshotParts): RoutesToExplain {
  const { items, routes, routerMode, table } = parts;
  const hostsOfService: RoutesToExplain['hostsOfService'] = (id) =>
    items.get('services', id)?.value.hosts;
  return {
    tries: (request) => table.tries(request),
    route: (id) => items.get('routes', id),
    hostsOfService,
    *candidates(): Generator<RouteCandidate<CompiledRoute>> {
      for (const [id, compiled] of routes) {
        yield* candidatesIn(compiled);
        const item = items.get('routes', id);
        if (item?.value.status !== 0) continue;
        const service = items.get('services', item.value.service_id)?.value;
        yield* candidatesOf(item, service, compiled, routerMode);
      }
    },
  };
}
