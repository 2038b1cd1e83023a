import { isIP } from 'node:net';
import { GatewayError, HeaderList, HOP_BY_HOP } from '@polygate/plugin-sdk';
import type { LocalReply } from '@polygate/plugin-sdk';
import { upstreamOfRoute } from '../pipeline/match-route.ts';
import { runRequestPhase } from '../pipeline/run-phase.ts';
import type { PhaseResult } from '../pipeline/run-phase.ts';
import type { RequestBody, Tunnel } from '../request/exchange.ts';
import type { GatewayAttempt, GatewayContext } from '../request/gateway-context.ts';
import { keptUpstreamHeaders } from '../request/variable-prefixes.ts';
import { encodePath } from '../request/request-target.ts';
import { DEFAULT_TIMEOUTS_MS } from '../upstream/compiled-upstream.ts';
import type { CompiledNode, CompiledUpstream } from '../upstream/compiled-upstream.ts';
import type { DiscoveredUpstream } from '../upstream/discovered-upstream.ts';
import type { UpstreamHealth } from '../upstream/upstream-health.ts';
import { namedInConnection } from './hop-by-hop.ts';
import { observedBody } from './observed-body.ts';
import type {
  UpstreamCall,
  UpstreamFailure,
  UpstreamReceiver,
  UpstreamRequest,
  UpstreamTransport,
} from './upstream-transport.ts';

const IDEMPOTENT = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']);
const SCHEMES = new Set(['http', 'https', 'grpc', 'grpcs']);
/** What the transport writes itself, or what concerns the client's connection only. */
const NOT_COPIED: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  'host',
  'content-length',
  'expect',
  'x-real-ip',
  'x-forwarded-for',
]);

/** Hears what comes of a request that was sent on. The last call ends it, as in UpstreamReceiver. */
export interface ForwardHandler {
  /** A beforeProxy handler stopped the request. */
  onReply(reply: LocalReply): void;
  onInformational(status: number, headers: HeaderList): void;
  onHead(status: number, headers: HeaderList, isComplete: boolean): void;
  onChunk(chunk: Buffer): boolean;
  onEnd(trailers: HeaderList | undefined): void;
  onCut(error: Error): void;
  onTunnel(headers: HeaderList, tunnel: Tunnel): void;
  /** No node answered. */
  onForwardError(error: unknown): void;
}

/**
 * Sends a request to a node and, where that is safe, to further nodes until one answers. Runs
 * beforeProxy before each try.
 */
export class Forwarding implements UpstreamReceiver {
  readonly #ctx: GatewayContext;
  readonly #transport: UpstreamTransport;
  readonly #handler: ForwardHandler;
  /** With its nodes, where a registry has them and has told. */
  #upstream: CompiledUpstream;
  /** Until then another try may begin; counted from the first one. */
  #deadlineMs = Infinity;
  #tried: Set<CompiledNode> | undefined = undefined;
  #tries = 0;
  /** Undefined: what becomes of this request is of no interest to health checks. */
  #health: UpstreamHealth | undefined = undefined;
  /** Picked, and not released yet. */
  #held: CompiledNode | undefined = undefined;
  #node: CompiledNode | undefined = undefined;
  #attempt: GatewayAttempt | undefined = undefined;
  #attemptStartMs = 0;
  #call: UpstreamCall | undefined = undefined;
  #isCancelled = false;

  /** Throws a GatewayError where the route has no upstream that is served. */
  constructor(ctx: GatewayContext, transport: UpstreamTransport, handler: ForwardHandler) {
    this.#ctx = ctx;
    this.#transport = transport;
    this.#handler = handler;
    const upstream = upstreamOf(ctx);
    this.#upstream = upstream;
    if (upstream.discovered === undefined) this.#use(upstream);
    ctx.upstream = upstream;
  }

  /** Picks a node and tries it. */
  start(): void {
    const { discovered } = this.#upstream;
    if (discovered === undefined) this.#pickNode();
    else if (discovered.current(this.#upstream) === undefined) this.#awaitNodes(discovered);
    else this.#useDiscovered(discovered);
  }

  /** The first request to a service waits for its registry. */
  #awaitNodes(discovered: DiscoveredUpstream): void {
    discovered.whenKnown(() => {
      if (!this.#isCancelled) this.#useDiscovered(discovered);
    });
  }

  #useDiscovered(discovered: DiscoveredUpstream): void {
    const base = this.#upstream;
    this.#upstream =
      discovered.current(base) ?? discovered.without(base, 'its registry has not answered yet');
    this.#use(this.#upstream);
    this.#ctx.upstream = this.#upstream;
    this.#pickNode();
  }

  #use({ health, nodes }: CompiledUpstream): void {
    if (nodes.length > 0 && health?.use() === true) this.#health = health;
  }

  #pickNode(): void {
    const ctx = this.#ctx;
    const { balancer, nodes, whyNoNode, retryTimeoutMs } = this.#upstream;
    const node = nodes.length === 0 ? undefined : balancer.pick(ctx, this.#tried);
    if (node === undefined) {
      this.#handler.onForwardError(noNode(nodes.length === 0, this.#tries, whyNoNode));
      return;
    }
    this.#tries += 1;
    if (this.#tries === 1 && retryTimeoutMs > 0) this.#deadlineMs = Date.now() + retryTimeoutMs;
    this.#held = node;
    this.#node = node;
    ctx.pickedNode = node;
    const pending = beforeProxy(ctx);
    if (pending instanceof Promise) {
      pending.then(
        (reply) => this.#afterBeforeProxy(reply),
        (error: unknown) => this.#handler.onForwardError(error),
      );
    } else {
      this.#afterBeforeProxy(pending);
    }
  }

  /** After `onChunk` answered false. */
  resume(): void {
    this.#call?.resume();
  }

  /** The handler hears no more. */
  cancel(): void {
    this.#isCancelled = true;
    this.#call?.cancel();
    this.#call = undefined;
  }

  /** The request is over, and `ctx.response.status` what its client was told: once, at the end. */
  finish(): void {
    const node = this.#held;
    if (node === undefined) return;
    this.#held = undefined;
    this.#upstream.balancer.release(node, this.#ctx.attempts.at(-1)?.responseTimeMs);
    this.#health?.reportStatus(node, this.#ctx.response.status);
  }

  #afterBeforeProxy(reply: LocalReply | undefined): void {
    if (this.#isCancelled) return;
    if (reply === undefined) this.#send();
    else this.#handler.onReply(reply);
  }

  #send(): void {
    const ctx = this.#ctx;
    const node = this.#node as CompiledNode;
    const attempt: GatewayAttempt = {
      address: node.label,
      status: undefined,
      headerTimeMs: undefined,
      responseTimeMs: undefined,
      bodyBytes: 0,
      remoteAddress: undefined,
      traffic: undefined,
    };
    this.#attempt = attempt;
    ctx.attempts.push(attempt);
    this.#attemptStartMs = performance.now();
    const call = this.#transport.send(requestFor(ctx, this.#upstream, node), this);
    attempt.traffic = call;
    // It may be over by now, or the next try may be under way.
    if (this.#attempt === attempt && !this.#isCancelled) this.#call = call;
  }

  // ---- from the transport

  onInformational(status: number, headers: HeaderList): void {
    this.#handler.onInformational(status, headers);
  }

  onHead(status: number, headers: HeaderList, isComplete: boolean): void {
    this.#answered(status);
    this.#ctx.response.upstreamHeaders = keptUpstreamHeaders(headers);
    this.#handler.onHead(status, headers, isComplete);
  }

  onChunk(chunk: Buffer): boolean {
    const attempt = this.#attempt;
    if (attempt !== undefined) attempt.bodyBytes = (attempt.bodyBytes ?? 0) + chunk.length;
    return this.#handler.onChunk(chunk);
  }

  onEnd(trailers: HeaderList | undefined): void {
    this.#ended();
    this.#handler.onEnd(trailers);
  }

  onCut(error: Error): void {
    this.#ended();
    this.#handler.onCut(error);
  }

  onTunnel(headers: HeaderList, tunnel: Tunnel): void {
    this.#answered(101);
    this.#ended();
    this.#handler.onTunnel(headers, tunnel);
  }

  onFailure(failure: UpstreamFailure): void {
    const ctx = this.#ctx;
    const node = this.#node as CompiledNode;
    const { error } = failure;
    this.#ended();
    if (this.#attempt !== undefined && error instanceof GatewayError) {
      this.#attempt.status = error.info.status;
    }
    this.#attempt = undefined;
    const mayRepeat = mayRepeatRequest(ctx, failure);
    if (failure.stale && mayRepeat) {
      // The pooled connection was dead, the node itself may be well: once more, on another one.
      ctx.attempts.pop();
      this.#send();
      return;
    }
    // A name without an address was no try: no upstream status tells of it.
    if (error instanceof GatewayError && error.code === 'UPSTREAM_UNRESOLVED') ctx.attempts.pop();
    ctx.log.error(`upstream failed: ${error.message}`);
    if (!mayRepeat || this.#tries > this.#upstream.retriesMax) {
      this.#handler.onForwardError(error);
    } else if (Date.now() > this.#deadlineMs) {
      // 502 whatever the last try ended with, as in apisix/balancer.lua
      const text = `proxy retry timeout, retry count: ${this.#tries - 1}`;
      this.#handler.onForwardError(new GatewayError('UPSTREAM_MISSING', text, { cause: error }));
    } else {
      this.#tryAnother(node, error);
    }
  }

  #tryAnother(node: CompiledNode, error: Error): void {
    (this.#tried ??= new Set<CompiledNode>()).add(node);
    this.#held = undefined;
    this.#upstream.balancer.release(node, undefined);
    const isTimeout = error instanceof GatewayError && error.info.status === 504;
    this.#health?.reportFailure(node, isTimeout ? 'timeout' : 'tcp');
    this.start();
  }

  #answered(status: number): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    attempt.status = status;
    attempt.headerTimeMs = performance.now() - this.#attemptStartMs;
    const { host, port } = this.#node as CompiledNode;
    const remote = attempt.traffic?.remoteAddress;
    if (remote === undefined || remote === host || isIP(host) !== 0) return;
    // APISIX resolves names before it picks a node, so that logs and metrics have the address
    attempt.remoteAddress = remote;
    attempt.address = remote.includes(':') ? `[${remote}]:${port}` : `${remote}:${port}`;
  }

  #ended(): void {
    this.#call = undefined;
    if (this.#attempt !== undefined) {
      this.#attempt.responseTimeMs = performance.now() - this.#attemptStartMs;
    }
  }
}

/** In the words of apisix/balancer.lua. Nodes that may not be used are another matter than none. */
function noNode(isEmpty: boolean, tries: number, why?: string): GatewayError {
  if (isEmpty) return new GatewayError('UPSTREAM_NO_NODE', why ?? 'no valid upstream node');
  const reason = tries === 0 ? 'no valid upstream node' : 'all upstream servers tried';
  return new GatewayError('UPSTREAM_MISSING', `failed to find valid upstream server, ${reason}`);
}

function beforeProxy(ctx: GatewayContext): PhaseResult {
  const result = runRequestPhase(ctx.globalRules.beforeProxy, ctx);
  if (result === undefined) return runRequestPhase(ctx.chain.beforeProxy, ctx);
  if (!(result instanceof Promise)) return result;
  return result.then((reply) => reply ?? runRequestPhase(ctx.chain.beforeProxy, ctx));
}

/** Only what may be repeated, and while all of its body is still here. */
function mayRepeatRequest(ctx: GatewayContext, failure: UpstreamFailure): boolean {
  const { error } = failure;
  if (!(error instanceof GatewayError) || !error.info.retryable || ctx.aborted) return false;
  if (!failure.bodyUntouched) return false;
  return failure.neverSent || IDEMPOTENT.has(ctx.request.method);
}

function upstreamOf(ctx: GatewayContext): CompiledUpstream {
  const route = ctx.compiledRoute;
  const upstream = ctx.chosenUpstream ?? upstreamOfRoute(route, ctx.snapshot);
  if (upstream === undefined) throw noUpstream(route?.upstreamId);
  if (upstream.problem !== undefined) throw new GatewayError('UPSTREAM_MISSING', upstream.problem);
  if (!SCHEMES.has(upstream.scheme)) {
    throw new GatewayError('UPSTREAM_MISSING', `scheme ${upstream.scheme} is not served yet`);
  }
  return upstream;
}

/** One that is missing is another matter than none: 502 and 503, in APISIX's words. */
function noUpstream(id: string | undefined): GatewayError {
  return id === undefined
    ? new GatewayError('UPSTREAM_NO_NODE', 'missing upstream configuration in Route or Service')
    : new GatewayError('UPSTREAM_MISSING', `failed to find upstream by id: ${id}`);
}

function requestFor(
  ctx: GatewayContext,
  upstream: CompiledUpstream,
  node: CompiledNode,
): UpstreamRequest {
  const { request, compiledRoute } = ctx;
  const maySwitch = compiledRoute?.enableWebsocket === true;
  return {
    upstream,
    node,
    method: request.method,
    target: targetOf(ctx),
    host: hostFor(ctx, upstream, node),
    headers: headersFor(ctx),
    timeoutsMs: compiledRoute?.timeoutsMs ?? upstream.timeoutsMs ?? DEFAULT_TIMEOUTS_MS,
    body: request.bodyObservers === undefined ? bodyOf(ctx) : observedBody(bodyOf(ctx), request),
    upgrade: maySwitch ? upgradeOf(ctx) : undefined,
    // APISIX passes Connection on there, and with it a client's wish to close
    closes: maySwitch && saysClose(request.headers),
  };
}

/**
 * As in APISIX any protocol but HTTP/2: its requests would pass by routes and plugins unseen. A body
 * that is still on its way could be taken for the other protocol's bytes.
 */
function upgradeOf({ exchange }: GatewayContext): string | undefined {
  const { upgrade, body } = exchange;
  if (upgrade === undefined || upgrade.includes('h2')) return undefined;
  return body.present && body.complete === undefined ? undefined : upgrade;
}

function saysClose(headers: HeaderList): boolean {
  const said = headers.getKnown('connection');
  if (said === undefined || said === 'keep-alive') return false;
  return said.split(',').some((word) => word.trim().toLowerCase() === 'close');
}

function bodyOf({ request, exchange }: GatewayContext): Buffer | RequestBody | undefined {
  if (request.bufferedBody !== undefined) return request.bufferedBody;
  const { body } = exchange;
  return body.present ? (body.complete ?? body) : undefined;
}

/** The client's own bytes, unless a plugin changed path or query. */
function targetOf({ request }: GatewayContext): string {
  const isUnchanged = request.upstreamPath === undefined && !request.queryChanged;
  if (isUnchanged && request.rawTarget.startsWith('/')) return request.rawTarget;
  const path = request.upstreamPath ?? encodePath(request.path);
  return request.query === '' ? path : `${path}?${request.query}`;
}

function headersFor({ request, client }: GatewayContext): HeaderList {
  const from = request.headers;
  const named = namedInConnection(from);
  const headers = new HeaderList();
  let chain = '';
  for (let i = 0; i < from.size; i++) {
    const lower = from.lowerNameAt(i);
    if (NOT_COPIED.has(lower)) {
      if (lower === 'x-forwarded-for') chain += `${from.valueAt(i)}, `;
    } else if (named === undefined || !named.includes(lower)) {
      headers.appendKnown(from.nameAt(i), lower, from.valueAt(i));
    }
  }
  headers.appendKnown('X-Real-IP', 'x-real-ip', client.address);
  headers.appendKnown('X-Forwarded-For', 'x-forwarded-for', chain + client.address);
  return headers;
}

/** `pass_host` of `node` and `rewrite` overrule what plugins wish, as in APISIX. */
function hostFor(ctx: GatewayContext, upstream: CompiledUpstream, node: CompiledNode): string {
  if (upstream.passHost === 'rewrite') return upstream.upstreamHost ?? node.hostHeader;
  if (upstream.passHost === 'node') return node.hostHeader;
  return ctx.request.upstreamHost ?? ctx.request.headers.getKnown('host') ?? node.hostHeader;
}
