import { GatewayError } from '@polygate/plugin-sdk';
import type { HeaderList, LocalReply, ReplySink, ReplyStream } from '@polygate/plugin-sdk';
import type { CompiledRoute } from '../config/config-snapshot.ts';
import type { PinnedSnapshot } from '../config/snapshot-holder.ts';
import { DebugTrace } from '../pipeline/debug-trace.ts';
import { describeError } from '../pipeline/describe-error.ts';
import { EMPTY_CHAIN } from '../pipeline/plugin-chain.ts';
import { matchRoute } from '../pipeline/match-route.ts';
import { runRequestPhases } from '../pipeline/request-phases.ts';
import { runResponsePhase } from '../pipeline/run-phase.ts';
import type { PhaseResult } from '../pipeline/run-phase.ts';
import { Forwarding } from '../proxy/forward.ts';
import type { ForwardHandler } from '../proxy/forward.ts';
import type { Exchange, ExchangeListener, Tunnel } from '../request/exchange.ts';
import { sanitizeForwardedHeaders } from '../request/forwarded-headers.ts';
import { GatewayContext } from '../request/gateway-context.ts';
import { parseRequestTarget } from '../request/request-target.ts';
import type { RequestTarget } from '../request/request-target.ts';
import { clientCertificateProblem } from '../tls/client-certificate-problem.ts';
import { BodyFilters } from './body-filters.ts';
import { filterHead } from './filter-head.ts';
import type { Gateway } from './gateway.ts';
import { HeldAnswer } from './held-answer.ts';
import { makeLocalAnswer } from './local-answer.ts';
import { joinTunnels } from './join-tunnels.ts';

const NOT_FOUND: LocalReply = { status: 404, body: { error_msg: '404 Route Not Found' } };
const EMPTY = Buffer.alloc(0);

/** Serves one request from its head to its log phase. Never throws. */
export function handleRequest(exchange: Exchange, gateway: Gateway): void {
  gateway.traffic.requestStarted();
  const pinned = gateway.holder.pin();
  const target = parseRequestTarget(exchange.target, gateway.targetRules);
  if (pinned === undefined || target === undefined) {
    pinned?.release();
    refuse(exchange, pinned === undefined ? 503 : 400, gateway);
    gateway.traffic.requestEnded();
    return;
  }
  new RequestFlow(exchange, gateway, pinned, target).start();
}

/**
 * The way of one request: phases, upstream, answer, log. Everything happens in callbacks; what only
 * synchronous plugins touch, and a node answers in one piece, is served without one promise.
 */
class RequestFlow implements ExchangeListener, ForwardHandler {
  readonly #ctx: GatewayContext;
  readonly #exchange: Exchange;
  readonly #gateway: Gateway;
  readonly #pinned: PinnedSnapshot;
  readonly #endTrace: (() => void) | undefined;
  #forwarding: Forwarding | undefined = undefined;
  #filters: BodyFilters | undefined = undefined;
  /** Undefined: chunks pass at once. */
  #held: HeldAnswer | undefined = undefined;
  /** What is read for the client, when that is no upstream. */
  #source: ReplyStream | undefined = undefined;
  #isBodiless = false;
  #isHeadSent = false;
  #isFinished = false;

  constructor(exchange: Exchange, gateway: Gateway, pinned: PinnedSnapshot, target: RequestTarget) {
    this.#exchange = exchange;
    this.#gateway = gateway;
    this.#pinned = pinned;
    this.#ctx = new GatewayContext({
      exchange,
      target,
      snapshot: pinned.snapshot,
      chain: EMPTY_CHAIN,
      log: gateway.log,
      bodyBytesMax: gateway.bodyBytesMax,
      findClient: gateway.findClient,
      bodyLimits: gateway.bodyLimits,
    });
    if (gateway.debugMode) this.#ctx.debugTrace = new DebugTrace();
    this.#endTrace = gateway.trace?.(this.#ctx);
  }

  start(): void {
    const ctx = this.#ctx;
    this.#exchange.listen(this);
    try {
      sanitizeForwardedHeaders(ctx, this.#gateway.trusted);
      const pending = this.#requestPhases();
      if (pending instanceof Promise) {
        pending.then(
          (reply) => this.#afterPhases(reply),
          (error: unknown) => this.onForwardError(error),
        );
      } else {
        this.#afterPhases(pending);
      }
    } catch (error) {
      this.onForwardError(error);
    }
  }

  #requestPhases(): PhaseResult {
    const ctx = this.#ctx;
    const { request } = ctx;
    if ((this.#exchange.body.length ?? 0) > this.#gateway.clientBodyBytesMax) {
      return { status: 413 };
    }
    const { tls } = this.#exchange;
    if (tls !== undefined) {
      const problem = clientCertificateProblem(tls, request.path, request.host);
      if (problem !== undefined) {
        ctx.log.error(problem);
        return { status: 400 };
      }
    }
    const route = matchRoute(ctx);
    // Conditions asked for variables of a body that is still on its way: all of it is done again.
    if (!request.isBodyWanted) return runPhases(ctx, route);
    return request.readWantedBody().then(() => runPhases(ctx, matchRoute(ctx)));
  }

  #afterPhases(reply: LocalReply | undefined): void {
    if (this.#ctx.aborted) {
      this.#finishAborted();
    } else if (reply !== undefined) {
      this.onReply(reply);
    } else {
      try {
        this.#forwarding = new Forwarding(this.#ctx, this.#gateway.transport, this);
        this.#forwarding.start();
      } catch (error) {
        this.onForwardError(error);
      }
    }
  }

  // ---- the answer

  onReply(given: LocalReply): void {
    const ctx = this.#ctx;
    const reply = ctx.changedReply(given);
    const { status, headers, body } = makeLocalAnswer(reply, this.#gateway.productName);
    ctx.response.status = status;
    ctx.response.headers = headers;
    ctx.response.source = 'gateway';
    this.#source = reply.stream;
    try {
      this.#sendHead(body.length === 0 && reply.stream === undefined);
      if (reply.stream !== undefined && !this.#isBodiless) {
        reply.stream.start(this.#sourceSink());
        return;
      }
      reply.stream?.cancel();
      if (body.length > 0) this.#sendChunk(body);
      this.#endAnswer(undefined);
    } catch (error) {
      this.onCut(error);
    }
  }

  #sourceSink(): ReplySink {
    return {
      write: (chunk) => this.onChunk(chunk),
      end: () => this.onEnd(undefined),
      fail: (error) => this.onCut(error),
    };
  }

  onInformational(status: number, headers: HeaderList): void {
    this.#exchange.sendInformational(status, headers);
  }

  onHead(status: number, headers: HeaderList, isComplete: boolean): void {
    const { response } = this.#ctx;
    if (response.observers !== undefined) {
      for (const observer of response.observers) observer.onHead(status, headers);
    }
    response.status = status;
    response.headers = headers;
    response.source = 'upstream';
    if (HeldAnswer.isWanted(this.#ctx)) {
      this.#hold();
      return;
    }
    try {
      this.#sendHead(isComplete);
    } catch (error) {
      this.onCut(error);
    }
  }

  /** Until the plugins of the `response` phase have seen it. */
  #hold(): void {
    this.#held = new HeldAnswer(this.#ctx, this.#gateway.responseHoldBytesMax, {
      reply: (reply) => {
        this.#held = undefined;
        this.onReply(reply);
      },
      sendHead: (isEmpty) => this.#sendHead(isEmpty),
      send: (chunk) => this.#sendChunk(chunk),
      end: (trailers) => this.#endAnswer(trailers),
      fail: (error) => this.onCut(error),
      resume: () => this.#forwarding?.resume(),
      cancel: () => this.#stopSources(),
    });
    this.#held.start();
  }

  /** headerFilter, then the head, unless a filter has to see the body first. */
  #sendHead(isEmpty: boolean): void {
    const ctx = this.#ctx;
    const { response } = ctx;
    filterHead(ctx, this.#gateway);
    this.#isBodiless = this.#exchange.method === 'HEAD' || isBodiless(response.status);
    this.#filters = BodyFilters.of(ctx, this.#gateway.responseHoldBytesMax, this.#isBodiless);
    if (this.#filters?.isHolding === true) return;
    // An answer without a body that says nothing of its length has none: chunks would say the same
    // in more bytes.
    const needsLength = isEmpty && this.#exchange.httpVersion !== '2.0';
    if (needsLength && this.#filters === undefined && !this.#isBodiless) {
      if (!response.headers.has('content-length')) response.headers.set('Content-Length', '0');
    }
    this.#exchange.sendHead(response.status, response.headers, this.#isBodiless);
    this.#isHeadSent = true;
  }

  onChunk(chunk: Buffer): boolean {
    const { observers } = this.#ctx.response;
    if (observers !== undefined) for (const observer of observers) observer.onChunk(chunk);
    try {
      if (this.#held?.isDone === false) return this.#held.take(chunk);
      return this.#sendChunk(chunk);
    } catch (error) {
      this.onCut(error);
      return true;
    }
  }

  #sendChunk(chunk: Buffer): boolean {
    const filters = this.#filters;
    if (filters === undefined) return this.#write(chunk);
    const filtered = filters.take(chunk);
    return filtered === undefined || this.#write(filtered);
  }

  #write(chunk: Buffer): boolean {
    if (chunk.length === 0 || this.#isBodiless) return true;
    this.#ctx.bodyBytesSent += chunk.length;
    return this.#exchange.sendChunk(chunk);
  }

  onEnd(trailers: HeaderList | undefined): void {
    if (this.#isFinished) return;
    const { observers } = this.#ctx.response;
    if (observers !== undefined) for (const observer of observers) observer.onEnd();
    try {
      if (this.#held?.isDone === false) this.#held.ended(trailers);
      else this.#endAnswer(trailers);
    } catch (error) {
      this.onCut(error);
    }
  }

  #endAnswer(trailers: HeaderList | undefined): void {
    const { response } = this.#ctx;
    const filters = this.#filters;
    response.trailers = trailers;
    if (filters !== undefined) {
      const last = filters.finish();
      if (filters.isHolding) {
        response.headers.set('Content-Length', String(last.length));
        this.#exchange.sendHead(response.status, response.headers, this.#isBodiless);
        this.#isHeadSent = true;
      }
      this.#write(last);
    }
    this.#exchange.end(trailers);
    this.#finish();
  }

  onTunnel(headers: HeaderList, tunnel: Tunnel): void {
    const ctx = this.#ctx;
    ctx.response.status = 101;
    ctx.response.headers = headers;
    ctx.response.source = 'upstream';
    this.#isBodiless = true;
    try {
      filterHead(ctx, this.#gateway);
      this.#isHeadSent = true;
      this.#exchange.sendHead(101, ctx.response.headers, true);
      joinTunnels(this.#exchange.openTunnel(), tunnel, () => this.#finish());
    } catch (error) {
      tunnel.destroy();
      this.onCut(error);
    }
  }

  // ---- accidents

  onForwardError(error: unknown): void {
    const ctx = this.#ctx;
    if (ctx.aborted) {
      this.#finishAborted();
      return;
    }
    ctx.log.error(`request to ${ctx.request.rawTarget} failed: ${describeError(error)}`);
    this.onReply({ status: error instanceof GatewayError ? error.info.status : 500 });
  }

  /** The answer cannot be completed: the client must not take it for whole. */
  onCut(error: unknown): void {
    const ctx = this.#ctx;
    if (this.#isFinished) return;
    this.#held?.cut(error);
    this.#held = undefined;
    this.#stopSources();
    if (!ctx.aborted) ctx.log.error(`response failed: ${describeError(error)}`);
    const isReply = ctx.response.source === 'gateway';
    if (this.#isHeadSent) {
      this.#exchange.destroy();
      this.#finish();
    } else if (isReply) {
      // What plugins made of our own answer cannot be sent: one that they have no hand in.
      ctx.response.status = 500;
      refuse(this.#exchange, 500, this.#gateway);
      this.#finish();
    } else {
      // A filter was still waiting for the rest of the body: nothing has been sent.
      this.onReply({ status: error instanceof GatewayError ? error.info.status : 502 });
    }
  }

  onClientDrained(): void {
    if (this.#held?.isDone === false) this.#held.drained();
    else if (this.#source === undefined) this.#forwarding?.resume();
    else this.#source.resume();
  }

  onClientGone(): void {
    const ctx = this.#ctx;
    ctx.abort();
    if (this.#forwarding === undefined && this.#source === undefined) return;
    this.#stopSources();
    this.#finishAborted();
  }

  /** Nothing more of the answer is wanted. */
  #stopSources(): void {
    this.#forwarding?.cancel();
    this.#source?.cancel();
    const { observers } = this.#ctx.response;
    if (observers !== undefined) for (const observer of observers) observer.onCut();
  }

  /** nginx's status for a client that did not wait. A head that was sent counts. */
  #finishAborted(): void {
    if (this.#ctx.response.status === 0) this.#ctx.response.status = 499;
    this.#finish();
  }

  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    const ctx = this.#ctx;
    const gateway = this.#gateway;
    this.#forwarding?.finish();
    runResponsePhase(ctx.globalRules.log, ctx);
    runResponsePhase(ctx.chain.log, ctx);
    gateway.accessLog?.write(ctx.vars);
    this.#endTrace?.();
    this.#pinned.release();
    gateway.traffic.requestEnded();
  }
}

/** All that plugins do before the upstream, or the answer where there is nowhere to go. */
function runPhases(ctx: GatewayContext, route: CompiledRoute | undefined): PhaseResult {
  if (route === undefined) {
    const pending = runRequestPhases(ctx);
    if (pending instanceof Promise) return pending.then((reply) => reply ?? NOT_FOUND);
    return pending ?? NOT_FOUND;
  }
  if (route.failure !== undefined) {
    ctx.log.error(route.failure.reason);
    return { status: route.failure.status };
  }
  return runRequestPhases(ctx);
}

function isBodiless(status: number): boolean {
  return status === 204 || status === 304 || status < 200;
}

/** Before there is a context: nothing of the configuration applies. */
function refuse(exchange: Exchange, status: number, gateway: Gateway): void {
  const { headers, body } = makeLocalAnswer({ status }, gateway.productName);
  headers.set('Server', gateway.productName);
  exchange.sendHead(status, headers);
  exchange.sendChunk(exchange.method === 'HEAD' ? EMPTY : body);
  exchange.end();
}
