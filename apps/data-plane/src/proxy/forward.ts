import { GatewayError, HeaderList } from '@polygate/plugin-sdk';
import type { LocalReply } from '@polygate/plugin-sdk';
import { runRequestPhase } from '../pipeline/run-phase.ts';
import type { GatewayContext } from '../request/gateway-context.ts';
import { encodePath } from '../request/request-target.ts';
import { DEFAULT_TIMEOUTS_MS } from '../upstream/compiled-upstream.ts';
import type { CompiledNode, CompiledUpstream } from '../upstream/compiled-upstream.ts';
import { isFailure } from './upstream-transport.ts';
import type {
  UpstreamFailure,
  UpstreamRequest,
  UpstreamResponse,
  UpstreamTransport,
} from './upstream-transport.ts';

/** Hop-by-hop: they speak of one connection (RFC 9110, 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);
const IDEMPOTENT = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']);

export type ForwardResult =
  | { readonly kind: 'response'; readonly response: UpstreamResponse }
  | { readonly kind: 'reply'; readonly reply: LocalReply };

/**
 * Sends the request to a node and, where that is safe, to further nodes until one answers. Runs
 * beforeProxy before each try. Rejects with a GatewayError.
 */
export async function forward(
  ctx: GatewayContext,
  transport: UpstreamTransport,
): Promise<ForwardResult> {
  const upstream = upstreamOf(ctx);
  ctx.upstream = upstream;
  const deadline = upstream.retryTimeoutMs === 0 ? Infinity : Date.now() + upstream.retryTimeoutMs;
  const tried = new Set<CompiledNode>();
  for (;;) {
    const node = upstream.balancer.pick(tried);
    if (node === undefined) throw new GatewayError('UPSTREAM_NO_NODE', 'no valid upstream node');
    ctx.pickedNode = node;
    const reply = await runRequestPhase(ctx.globalRules.beforeProxy, ctx);
    const answer = reply ?? (await runRequestPhase(ctx.chain.beforeProxy, ctx));
    if (answer !== undefined) return { kind: 'reply', reply: answer };

    const result = await attempt(ctx, upstream, node, transport);
    if (!isFailure(result)) return { kind: 'response', response: result };
    const { error } = result;
    if (ctx.aborted) throw error;
    // A name without an address was no try: no upstream status tells of it.
    if (error instanceof GatewayError && error.code === 'UPSTREAM_UNRESOLVED') ctx.attempts.pop();
    ctx.log.error(`upstream ${node.label} failed: ${error.message}`);
    if (!mayRetry(ctx, result)) throw error;
    tried.add(node);
    if (tried.size > upstream.retriesMax || Date.now() >= deadline) throw error;
    if (tried.size >= upstream.nodes.length) throw error;
  }
}

async function attempt(
  ctx: GatewayContext,
  upstream: CompiledUpstream,
  node: CompiledNode,
  transport: UpstreamTransport,
): Promise<UpstreamResponse | UpstreamFailure> {
  const request = requestFor(ctx, upstream, node);
  for (;;) {
    const record = {
      address: node.label,
      status: undefined as number | undefined,
      headerTimeMs: undefined as number | undefined,
      responseTimeMs: undefined as number | undefined,
    };
    ctx.attempts.push(record);
    const started = performance.now();
    const result = await transport.send(request);
    const elapsed = performance.now() - started;
    if (!isFailure(result)) {
      record.status = result.status;
      record.headerTimeMs = elapsed;
      return result;
    }
    record.responseTimeMs = elapsed;
    if (result.error instanceof GatewayError) record.status = result.error.info.status;
    const stale =
      result.neverSent &&
      result.bodyUntouched &&
      result.error instanceof GatewayError &&
      result.error.code === 'UPSTREAM_PROTOCOL';
    if (!stale) return result;
    // The pooled connection was dead. The node itself may be well: once more, on a fresh one.
    ctx.attempts.pop();
  }
}

/** Only before anything of the body is gone, and only what may be repeated. */
function mayRetry(ctx: GatewayContext, failure: UpstreamFailure): boolean {
  const { error } = failure;
  if (!(error instanceof GatewayError) || !error.info.retryable || ctx.aborted) return false;
  if (!failure.bodyUntouched) return false;
  return failure.neverSent || IDEMPOTENT.has(ctx.request.method);
}

function upstreamOf(ctx: GatewayContext): CompiledUpstream {
  const route = ctx.compiledRoute;
  const upstream =
    route?.upstreamId === undefined
      ? route?.upstream
      : ctx.snapshot.upstreams.get(route.upstreamId);
  if (upstream === undefined) {
    throw new GatewayError('UPSTREAM_MISSING', `no upstream for route ${route?.id ?? '?'}`);
  }
  if (upstream.scheme !== 'http' && upstream.scheme !== 'https') {
    throw new GatewayError('UPSTREAM_MISSING', `scheme ${upstream.scheme} is not served yet`);
  }
  return upstream;
}

function requestFor(
  ctx: GatewayContext,
  upstream: CompiledUpstream,
  node: CompiledNode,
): UpstreamRequest {
  const { request, exchange } = ctx;
  const body = request.bufferedBody;
  const hasBody = body !== undefined || exchange.body.present;
  return {
    upstream,
    node,
    method: request.method,
    target: targetOf(ctx),
    headers: headersFor(ctx, upstream, node, hasBody),
    timeoutsMs: ctx.compiledRoute?.timeoutsMs ?? upstream.timeoutsMs ?? DEFAULT_TIMEOUTS_MS,
    body: !hasBody ? undefined : (body ?? ((sink) => exchange.body.stream(sink))),
    signal: ctx.signal,
  };
}

/** The client's own bytes, unless a plugin changed path or query. */
function targetOf({ request }: GatewayContext): string {
  if (request.upstreamPath === undefined && !request.queryChanged) {
    return request.rawTarget.startsWith('/') ? request.rawTarget : withQuery(request);
  }
  return withQuery(request);
}

function withQuery(request: GatewayContext['request']): string {
  const path = request.upstreamPath ?? encodePath(request.path);
  return request.query === '' ? path : `${path}?${request.query}`;
}

function headersFor(
  ctx: GatewayContext,
  upstream: CompiledUpstream,
  node: CompiledNode,
  hasBody: boolean,
): HeaderList {
  const { request } = ctx;
  const connection = request.headers.get('connection');
  const named = connection === undefined ? [] : connection.toLowerCase().split(/\s*,\s*/);
  const headers = new HeaderList();
  headers.append('Host', hostFor(ctx, upstream, node));
  request.headers.forEach((name, value, lower) => {
    if (lower === 'host' || HOP_BY_HOP.has(lower) || named.includes(lower)) return;
    headers.append(name, value);
  });
  headers.set('X-Real-IP', ctx.client.address);
  const chain = request.headers.getAll('x-forwarded-for');
  headers.set('X-Forwarded-For', [...chain, ctx.client.address].join(', '));
  if (hasBody && request.bufferedBody !== undefined) {
    headers.set('Content-Length', String(request.bufferedBody.length));
  } else if (hasBody && !headers.has('content-length')) {
    headers.append('Transfer-Encoding', 'chunked');
  }
  return headers;
}

/** `pass_host` of `node` and `rewrite` overrule what plugins wish, as in APISIX. */
function hostFor(ctx: GatewayContext, upstream: CompiledUpstream, node: CompiledNode): string {
  if (upstream.passHost === 'rewrite') return upstream.upstreamHost ?? node.hostHeader;
  if (upstream.passHost === 'node') return node.hostHeader;
  return ctx.request.upstreamHost ?? ctx.request.headers.get('host') ?? node.hostHeader;
}

/** Copies what may pass from an upstream's answer to the client. */
export function endToEndHeaders(headers: HeaderList): HeaderList {
  const connection = headers.get('connection');
  const named = connection === undefined ? [] : connection.toLowerCase().split(/\s*,\s*/);
  const passed = new HeaderList();
  headers.forEach((name, value, lower) => {
    if (HOP_BY_HOP.has(lower) || lower === 'server' || named.includes(lower)) return;
    passed.append(name, value);
  });
  return passed;
}
