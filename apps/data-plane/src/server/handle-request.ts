import { GatewayError } from '@polygate/plugin-sdk';
import type { LocalReply, Logger } from '@polygate/plugin-sdk';
import type { SnapshotHolder } from '../config/snapshot-holder.ts';
import type { WorkerTraffic } from '../metrics/gateway-metrics.ts';
import { DebugTrace } from '../pipeline/debug-trace.ts';
import { describeError } from '../pipeline/describe-error.ts';
import { EMPTY_CHAIN } from '../pipeline/plugin-chain.ts';
import { runBodyPhase, runRequestPhase, runResponsePhase } from '../pipeline/run-phase.ts';
import type { PhaseResult } from '../pipeline/run-phase.ts';
import { endToEndHeaders, forward } from '../proxy/forward.ts';
import type { UpstreamResponse, UpstreamTransport } from '../proxy/upstream-transport.ts';
import type { Exchange } from '../request/exchange.ts';
import { GatewayContext } from '../request/gateway-context.ts';
import { makeLocalAnswer } from './local-answer.ts';
import type { FindClient } from '../request/real-ip.ts';
import { parseRequestTarget } from '../request/request-target.ts';
import { sanitizeForwardedHeaders } from '../request/forwarded-headers.ts';

/** What every request of a worker is served with. */
export interface Gateway {
  readonly holder: SnapshotHolder;
  readonly transport: UpstreamTransport;
  readonly traffic: WorkerTraffic;
  readonly log: Logger;
  /** The Server header, and the name on error pages. */
  readonly productName: string;
  /** Bytes of a request body that a plugin may have buffered. */
  readonly bodyBytesMax: number;
  /** Bytes of a response body that a filter may hold. */
  readonly responseHoldBytesMax: number;
  readonly showUpstreamStatus: boolean;
  /** `basic.enable` of the debug file, which may change while it runs. */
  debugMode: boolean;
  /** `apisix.delete_uri_tail_slash`: `/a/` is matched and seen by plugins as `/a`. */
  readonly deleteTailSlash: boolean;
  readonly trusted: { has(address: string): boolean } | undefined;
  readonly findClient: FindClient;
  /** Opens a span for the request; undefined when tracing is off. */
  readonly trace: ((ctx: GatewayContext) => () => void) | undefined;
}

/** Serves one request from its head to its log phase. Never rejects. */
export async function handleRequest(exchange: Exchange, gateway: Gateway): Promise<void> {
  gateway.traffic.requestStarted();
  const pinned = gateway.holder.pin();
  const target = parseRequestTarget(exchange.target, gateway.deleteTailSlash);
  if (pinned === undefined || target === undefined) {
    pinned?.release();
    refuse(exchange, pinned === undefined ? 503 : 400, gateway);
    gateway.traffic.requestEnded();
    return;
  }
  const ctx = new GatewayContext({
    exchange,
    target,
    snapshot: pinned.snapshot,
    chain: EMPTY_CHAIN,
    log: gateway.log,
    bodyBytesMax: gateway.bodyBytesMax,
    findClient: gateway.findClient,
  });
  if (gateway.debugMode) ctx.debugTrace = new DebugTrace();
  const endTrace = gateway.trace?.(ctx);
  try {
    sanitizeForwardedHeaders(ctx, gateway.trusted);
    await answer(ctx, gateway);
  } catch (error) {
    gateway.log.error(`request failed: ${describeError(error)}`);
    exchange.destroy();
  } finally {
    runResponsePhase(ctx.globalRules.log, ctx);
    runResponsePhase(ctx.chain.log, ctx);
    endTrace?.();
    pinned.release();
    gateway.traffic.requestEnded();
  }
}

async function answer(ctx: GatewayContext, gateway: Gateway): Promise<void> {
  let response: UpstreamResponse;
  try {
    const pending = requestPhases(ctx);
    const reply = pending instanceof Promise ? await pending : pending;
    if (reply !== undefined) return await sendReply(ctx, reply, gateway);
    const result = await forward(ctx, gateway.transport);
    if (result.kind === 'reply') return await sendReply(ctx, result.reply, gateway);
    response = result.response;
  } catch (error) {
    if (ctx.aborted) {
      ctx.response.status = 499;
      return;
    }
    ctx.log.error(`request to ${ctx.request.rawTarget} failed: ${describeError(error)}`);
    const status = error instanceof GatewayError ? error.info.status : 500;
    return sendReply(ctx, { status }, gateway);
  }
  return sendResponse(ctx, response, gateway);
}

/** Everything before the upstream. A reply ends the request. */
function requestPhases(ctx: GatewayContext): PhaseResult {
  const { snapshot } = ctx;
  const match = snapshot.match({
    method: ctx.request.method,
    host: ctx.request.host,
    path: ctx.request.path,
    clientAddress: ctx.client.address,
    vars: ctx.vars,
  });
  if (match === undefined) return noRoute(ctx);
  const route = match.target;
  ctx.compiledRoute = route;
  ctx.chain = route.chain;
  ctx.globalRules = route.globalRulesFor(snapshot.globalRules);
  ctx.route = {
    id: route.id,
    name: route.name,
    serviceId: route.serviceId,
    serviceName: route.serviceName,
    labels: route.labels,
    matchedPath: match.pattern,
    matchedHost: match.host,
  };
  if (route.failure !== undefined) {
    ctx.log.error(route.failure.reason);
    return { status: route.failure.status };
  }
  return inOrder([
    () => runRequestPhase(ctx.globalRules.rewrite, ctx),
    () => runRequestPhase(ctx.chain.rewrite, ctx),
    () => mergeConsumer(ctx),
    () => runRequestPhase(ctx.globalRules.access, ctx),
    () => runRequestPhase(ctx.chain.access, ctx),
  ]);
}

function noRoute(ctx: GatewayContext): PhaseResult {
  return inOrder([
    () => runRequestPhase(ctx.globalRules.rewrite, ctx),
    () => runRequestPhase(ctx.globalRules.access, ctx),
    () => ({ status: 404, body: { error_msg: '404 Route Not Found' } }),
  ]);
}

/** The first reply wins. Becomes asynchronous only where a phase does. */
function inOrder(phases: readonly (() => PhaseResult)[], first = 0): PhaseResult {
  for (let i = first; i < phases.length; i++) {
    const result = (phases[i] as () => PhaseResult)();
    if (result instanceof Promise) {
      return result.then((reply) => reply ?? inOrder(phases, i + 1));
    }
    if (result !== undefined) return result;
  }
  return undefined;
}

/** The consumer's plugins join the chain; those it alone brought run their rewrite phase now. */
function mergeConsumer(ctx: GatewayContext): PhaseResult {
  const { consumer, compiledRoute } = ctx;
  if (consumer === undefined || compiledRoute === undefined) return undefined;
  const chain = compiledRoute.chainFor(consumer);
  if (chain === undefined) {
    ctx.log.error(`failed to fetch consumer group config by id: ${consumer.groupId}`);
    return { status: 503 };
  }
  ctx.chain = chain;
  return runRequestPhase(chain.rewriteInConsumer, ctx);
}

function sendReply(ctx: GatewayContext, reply: LocalReply, gateway: Gateway): Promise<void> {
  const { status, headers, body } = makeLocalAnswer(reply, gateway.productName);
  ctx.response.status = status;
  ctx.response.headers = headers;
  ctx.response.source = 'gateway';
  const response: UpstreamResponse = {
    status,
    headers,
    discard: () => undefined,
    stream(sink) {
      if (body.length > 0) sink.write(body, () => undefined);
      sink.end();
    },
  };
  return deliver(ctx, response, gateway);
}

function sendResponse(
  ctx: GatewayContext,
  response: UpstreamResponse,
  gateway: Gateway,
): Promise<void> {
  ctx.response.status = response.status;
  ctx.response.headers = endToEndHeaders(response.headers);
  ctx.response.source = 'upstream';
  return deliver(ctx, response, gateway);
}

/** headerFilter, head, bodyFilter, body. Resolves when the last byte is handed over. */
function deliver(ctx: GatewayContext, response: UpstreamResponse, gateway: Gateway): Promise<void> {
  const { exchange, globalRules } = ctx;
  filterHead(ctx, gateway);
  const bodiless = exchange.method === 'HEAD' || isBodiless(ctx.response.status);
  const filters = [
    globalRules.bodyFilter,
    ctx.chain.bodyFilter,
    globalRules.delayedBodyFilter,
    ctx.chain.delayedBodyFilter,
  ].filter((steps) => steps.length > 0);
  const filter = (chunk: Buffer, last: boolean): Buffer =>
    filters.reduce((current, steps) => runBodyPhase(steps, ctx, current, last), chunk);

  const held: Buffer[] | undefined =
    ctx.response.bodyHeld && filters.length > 0 && !bodiless ? [] : undefined;
  let heldBytes = 0;
  if (held === undefined) exchange.sendHead(ctx.response.status, ctx.response.headers);
  const send = (chunk: Buffer): boolean => {
    if (chunk.length === 0 || bodiless) return true;
    ctx.bodyBytesSent += chunk.length;
    return exchange.sendChunk(chunk);
  };

  return new Promise((resolve) => {
    const finish = (): void => {
      const last = ctx.attempts.at(-1);
      if (last !== undefined) last.responseTimeMs ??= Date.now() - ctx.startTimeMs;
      resolve();
    };
    const abort = (error: Error): void => {
      if (!ctx.aborted) ctx.log.error(`response failed: ${describeError(error)}`);
      exchange.destroy();
      finish();
    };
    response.stream({
      write(chunk, resume) {
        if (held !== undefined) {
          held.push(chunk);
          heldBytes += chunk.length;
          if (heldBytes <= gateway.responseHoldBytesMax) return true;
          response.discard();
          abort(
            new GatewayError('RESPONSE_BODY_TOO_LARGE', `over ${gateway.responseHoldBytesMax}`),
          );
          return false;
        }
        const flowing = send(filters.length === 0 ? chunk : filter(chunk, false));
        if (!flowing) exchange.onDrain(resume);
        return flowing;
      },
      end() {
        const rest = held === undefined ? Buffer.alloc(0) : Buffer.concat(held, heldBytes);
        const last = filters.length === 0 ? rest : filter(rest, true);
        if (held !== undefined) {
          ctx.response.headers.set('Content-Length', String(last.length));
          exchange.sendHead(ctx.response.status, ctx.response.headers);
        }
        send(last);
        exchange.end();
        finish();
      },
      fail: abort,
    });
  });
}

function filterHead(ctx: GatewayContext, gateway: Gateway): void {
  const { headers, early } = ctx.response;
  const replaced = new Set<string>();
  early.forEach((name, value, lower) => {
    if (replaced.has(lower)) headers.append(name, value);
    else headers.set(name, value);
    replaced.add(lower);
  });
  headers.set('Server', gateway.productName);
  const statuses = ctx.vars.get('upstream_status');
  // Of several tries, `502, 200`, the last one counts: apisix/init.lua, set_resp_upstream_status.
  if (statuses !== undefined && (gateway.showUpstreamStatus || statuses.at(-3) === '5')) {
    headers.set('X-APISIX-Upstream-Status', statuses);
  }
  runResponsePhase(ctx.globalRules.headerFilter, ctx);
  runResponsePhase(ctx.chain.headerFilter, ctx);
  if (ctx.debugTrace !== undefined) headers.set('Apisix-Plugins', ctx.debugTrace.finishHead(ctx));
}

function isBodiless(status: number): boolean {
  return status === 204 || status === 304 || status < 200;
}

/** Before there is a context: nothing of the configuration applies. */
function refuse(exchange: Exchange, status: number, gateway: Gateway): void {
  const { headers, body } = makeLocalAnswer({ status }, gateway.productName);
  headers.set('Server', gateway.productName);
  exchange.sendHead(status, headers);
  exchange.sendChunk(body);
  exchange.end();
}
