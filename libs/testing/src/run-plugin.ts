import type {
  HeaderList,
  LocalReply,
  Plugin,
  PluginEnvironment,
  RequestContext,
} from '@polygate/plugin-sdk';
import { headerList, MemoryContext } from './run-plugin/memory-context.ts';
import type { HeaderInit, RequestInit } from './run-plugin/memory-context.ts';
import { memoryExternalPlugins } from './run-plugin/memory-external-plugins.ts';
import { memoryLog, type MemoryLog } from './run-plugin/memory-log.ts';
import { memoryMetrics } from './run-plugin/memory-metrics.ts';
import { memorySettings } from './run-plugin/memory-settings.ts';
import { memorySharedState } from './run-plugin/memory-shared-state.ts';

/** What the upstream answers; `hello world\n` with 200 when a test does not say. */
export interface UpstreamAnswer {
  readonly status?: number;
  readonly headers?: HeaderInit;
  /** Several pieces arrive as several chunks. */
  readonly body?: string | Buffer | readonly (string | Buffer)[];
  readonly trailers?: HeaderInit;
  readonly responseTimeMs?: number;
  readonly address?: string;
}

export interface PluginRequest extends RequestInit {
  /** `null`: no node could be reached, the gateway answers 502. */
  readonly upstream?: UpstreamAnswer | null;
  /** Sees the context between the request phases and the upstream's answer. */
  readonly atUpstream?: (ctx: MemoryContext) => void;
}

/** What the upstream got. */
export interface UpstreamRequest {
  readonly method: string;
  /** Undefined: the client's own path. */
  readonly path: string | undefined;
  readonly query: string;
  readonly host: string | undefined;
  readonly headers: HeaderList;
  readonly body: Buffer | undefined;
}

/** How the request ended. */
export interface PluginRun {
  /** The plugin's own answer, when it gave one. */
  readonly reply: LocalReply | undefined;
  /** Undefined when the plugin answered itself. */
  readonly upstreamRequest: UpstreamRequest | undefined;
  /** What the client got. */
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
  readonly text: string;
  readonly ctx: RequestContext;
  /** `<level>: <message>`, of this request. */
  readonly log: readonly string[];
}

export interface MountedPlugin {
  /** Sends one request through every phase of the plugin, as the gateway does. */
  request(request?: PluginRequest): Promise<PluginRun>;
  dispose(): void;
  /** What was logged while preparing. */
  readonly log: readonly string[];
}

/**
 * Prepares a plugin with a conf (defaults filled in already) in an environment of memory parts; any
 * of them can be replaced through `env`.
 */
export function mountPlugin<Conf, Prepared>(
  plugin: Plugin<Conf, Prepared>,
  conf: Conf,
  env: Partial<PluginEnvironment> = {},
): MountedPlugin {
  const prepareLog = memoryLog();
  const environment: PluginEnvironment = {
    source: { kind: 'route', id: '1', modifiedIndex: 1 },
    attr: {},
    metadata: {},
    metadataOf: () => ({}),
    settings: memorySettings(),
    shared: memorySharedState(),
    sharedCache: () => undefined,
    metrics: memoryMetrics(),
    external: memoryExternalPlugins(),
    compileUpstream: (resource) => ({ ...resource, id: undefined }),
    findProto: () => undefined,
    findUpstreamResource: () => undefined,
    costDecorationsOf: () => [],
    httpsPorts: [],
    plugins: new Map(),
    publicApis: [],
    log: prepareLog,
    ...env,
  };
  const prepared = plugin.prepare?.(conf, environment) ?? (conf as unknown as Prepared);
  return {
    request: (request = {}) => runRequest(plugin, prepared, request),
    dispose: () => plugin.dispose?.(prepared),
    log: prepareLog.lines,
  };
}

/** One request through one plugin: `mountPlugin` and `request` in one. */
export function runPlugin<Conf, Prepared>(
  plugin: Plugin<Conf, Prepared>,
  conf: Conf,
  request: PluginRequest = {},
  env: Partial<PluginEnvironment> = {},
): Promise<PluginRun> {
  return mountPlugin(plugin, conf, env).request(request);
}

const REQUEST_PHASES = ['rewrite', 'access', 'beforeProxy'] as const;
const BODY_PHASES = ['bodyFilter', 'delayedBodyFilter'] as const;

async function runRequest<Conf, Prepared>(
  plugin: Plugin<Conf, Prepared>,
  prepared: Prepared,
  request: PluginRequest,
): Promise<PluginRun> {
  const log = memoryLog();
  const ctx = new MemoryContext(request, log);
  let reply = await requestPhases(plugin, prepared, ctx);
  if (reply === undefined) request.atUpstream?.(ctx);
  const upstreamRequest = reply === undefined ? sent(ctx) : undefined;
  let chunks = reply === undefined ? answer(ctx, request.upstream) : replyBody(ctx, reply);
  if (plugin.response !== undefined && ctx.response.source === 'upstream') {
    ctx.response.body = Buffer.concat(chunks);
    reply = (await plugin.response(ctx, prepared)) ?? undefined;
    if (reply !== undefined) {
      ctx.response.source = 'gateway';
      ctx.response.headers = headerList({});
    }
    chunks = reply === undefined ? [ctx.response.body] : replyBody(ctx, reply);
  }

  // early headers stand before the upstream's own, as in nginx
  const answered = ctx.response.headers;
  ctx.response.headers = headerList({});
  ctx.response.early.forEach((name, value) => ctx.response.headers.append(name, value));
  answered.forEach((name, value) => ctx.response.headers.append(name, value));
  if (reply !== undefined) {
    for (const [name, value] of Object.entries(reply.headers ?? {})) {
      ctx.response.headers.set(name, value);
    }
  }

  plugin.headerFilter?.(ctx, prepared);
  const body = bodyPhases(plugin, prepared, ctx, chunks);
  ctx.bytesSent = body.length;
  plugin.log?.(ctx, prepared);
  return runOf(ctx, log, { reply, upstreamRequest, body });
}

async function requestPhases<Conf, Prepared>(
  plugin: Plugin<Conf, Prepared>,
  prepared: Prepared,
  ctx: MemoryContext,
): Promise<LocalReply | undefined> {
  for (const phase of REQUEST_PHASES) {
    const reply = await plugin[phase]?.(ctx, prepared);
    if (reply !== undefined) return reply;
  }
  return undefined;
}

/** Filters see each chunk, then one last call without bytes; a held body comes in one piece. */
function bodyPhases<Conf, Prepared>(
  plugin: Plugin<Conf, Prepared>,
  prepared: Prepared,
  ctx: MemoryContext,
  chunks: readonly Buffer[],
): Buffer {
  const input = ctx.response.held ? [Buffer.concat(chunks)] : [...chunks, Buffer.alloc(0)];
  const output = input.map((chunk, index) => {
    const last = index === input.length - 1;
    return BODY_PHASES.reduce(
      (bytes, phase) => plugin[phase]?.(ctx, prepared, bytes, last) ?? bytes,
      chunk,
    );
  });
  return Buffer.concat(output);
}

function sent(ctx: MemoryContext): UpstreamRequest {
  const { method, upstreamPath, query, upstreamHost, headers, body } = ctx.request;
  const copy = headerList({});
  headers.forEach((name, value) => copy.append(name, value));
  for (const observer of ctx.request.observers) {
    if (body !== undefined) observer.onChunk(body);
    observer.onEnd();
  }
  return { method, path: upstreamPath, query, host: upstreamHost, headers: copy, body };
}

function answer(ctx: MemoryContext, upstream: UpstreamAnswer | null = {}): readonly Buffer[] {
  const attempt = {
    address: upstream?.address ?? '127.0.0.1:1980',
    status: upstream === null ? undefined : (upstream.status ?? 200),
    headerTimeMs: upstream === null ? undefined : (upstream.responseTimeMs ?? 1),
    responseTimeMs: upstream?.responseTimeMs ?? 1,
  };
  ctx.attempts.push(attempt);
  if (upstream === null) {
    ctx.response.status = 502;
    return [];
  }
  ctx.response.source = 'upstream';
  ctx.response.status = upstream.status ?? 200;
  ctx.response.headers = headerList(upstream.headers ?? {});
  if (upstream.trailers !== undefined) ctx.response.trailers = headerList(upstream.trailers);
  const body = upstream.body ?? 'hello world\n';
  const pieces = typeof body === 'string' || Buffer.isBuffer(body) ? [body] : body;
  const chunks = pieces.map((piece) => Buffer.from(piece));
  for (const observer of ctx.response.observers) {
    observer.onHead(ctx.response.status, ctx.response.headers);
    for (const chunk of chunks) observer.onChunk(chunk);
    observer.onEnd();
  }
  return chunks;
}

/** As the gateway does it, but for the HTML error page of a reply without a body: that is empty. */
function replyBody(ctx: MemoryContext, reply: LocalReply): readonly Buffer[] {
  ctx.response.status = reply.status;
  const { body } = reply;
  if (body === undefined) return [];
  if (typeof body === 'string' || body instanceof Uint8Array) return [Buffer.from(body)];
  return [Buffer.from(`${JSON.stringify(body)}\n`)];
}

function runOf(
  ctx: MemoryContext,
  log: MemoryLog,
  end: Pick<PluginRun, 'reply' | 'upstreamRequest' | 'body'>,
): PluginRun {
  return {
    ...end,
    status: ctx.response.status,
    headers: ctx.response.headers,
    text: end.body.toString(),
    ctx,
    log: log.lines,
  };
}
