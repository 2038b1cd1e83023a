import { contextKey, definePlugin } from '@polygate/plugin-sdk';
import type { ContextKey, LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { logBatches, type LogBatch } from '../log-sinks/log-batches.ts';
import { responseSource } from '../tracing/response-source.ts';
import { newSpanId, newTraceId, traceParent } from '../tracing/trace-ids.ts';
import { parseSingleB3, readB3Headers, remoteSpan, type B3Fields } from './b3.ts';
import { encodeZipkinSpan, openZipkin, type ZipkinSpan } from './zipkin-api.ts';
import { definition, type ZipkinConf } from './zipkin.schema.ts';

/** Those of APISIX, which are not to be configured. */
const BATCH = {
  name: 'zipkin_report',
  retry_delay: 1,
  batch_max_size: 1000,
  max_retry_count: 0,
  buffer_duration: 60,
  inactive_timeout: 5,
};

/** Spans that may wait in one worker; each is about 500 characters. */
const PENDING_SPANS_MAX = 32_768;

interface Prepared {
  readonly conf: ZipkinConf;
  readonly setsVariables: boolean;
  readonly batch: LogBatch<string>;
  readonly trace: ContextKey<RequestTrace>;
}

interface Span {
  readonly name: string;
  readonly id: string;
  readonly parentId: string | undefined;
  readonly startMs: number;
}

/** Of one request; spans below the request's only where it is sampled. */
interface RequestTrace {
  readonly traceId: string;
  readonly isSampled: boolean;
  readonly request: Span;
  /** As the client sent it, whatever plugins make of it. */
  readonly method: string;
  readonly url: string;
  readonly client: RequestContext['client'];
  rewriteEndMs: number;
  proxy: Span | undefined;
  /** Of version 1 the body filter's, of version 2 the response's. */
  response: Span | undefined;
}

/** Spans of each request to a server with Zipkin's API, and B3 headers to the upstream. */
export default definePlugin<ZipkinConf, Prepared>(definition, {
  prepare(conf, env) {
    const batch = logBatches.acquire<string>({
      plugin: 'zipkin',
      conf: BATCH,
      env: { ...env, metadata: { max_pending_entries: PENDING_SPANS_MAX } },
      discriminator: JSON.stringify(conf),
      openSink: () => openZipkin(conf.endpoint),
    });
    const trace = contextKey<RequestTrace>('zipkin-trace');
    return { conf, setsVariables: env.attr['set_ngx_var'] === true, batch, trace };
  },

  dispose: ({ batch }) => batch.release(),

  rewrite(ctx, prepared) {
    const fields = readFields(ctx);
    if ('status' in fields) return fields;
    const trace = startTrace(ctx, fields, prepared.conf.sample_ratio);
    ctx.set(prepared.trace, trace);
    if (prepared.setsVariables) setVariables(ctx, trace);
    if (!trace.isSampled) return undefined;
    if (prepared.conf.span_version === 1) {
      trace.rewriteEndMs = Date.now();
      report(ctx, prepared, [childOf(trace.request, 'apisix.rewrite', ctx.startTimeMs)]);
    } else {
      trace.proxy = childOf(trace.request, 'apisix.proxy', ctx.startTimeMs);
    }
    return undefined;
  },

  access(ctx, prepared) {
    const trace = ctx.get(prepared.trace);
    if (trace === undefined) return;
    if (trace.isSampled && prepared.conf.span_version === 1) {
      const accessEndMs = Date.now();
      report(ctx, prepared, [childOf(trace.request, 'apisix.access', trace.rewriteEndMs)]);
      trace.proxy = childOf(trace.request, 'apisix.proxy', accessEndMs);
    }
    setHeaders(ctx, trace, trace.proxy ?? trace.request);
  },

  headerFilter(ctx, prepared) {
    const trace = ctx.get(prepared.trace);
    if (trace?.proxy === undefined) return;
    if (prepared.conf.span_version === 1) {
      trace.response = childOf(trace.proxy, 'apisix.body_filter', Date.now());
    } else {
      report(ctx, prepared, [trace.proxy]);
      trace.response = childOf(trace.request, 'apisix.response_span', Date.now());
    }
  },

  log(ctx, prepared) {
    const trace = ctx.get(prepared.trace);
    if (trace === undefined || !trace.isSampled) return;
    const proxy = prepared.conf.span_version === 1 ? trace.proxy : undefined;
    report(ctx, prepared, [trace.response, proxy, trace.request]);
  },
});

/** A reply where the single header is none. */
function readFields(ctx: RequestContext): B3Fields | LocalReply {
  const { headers } = ctx.request;
  const single = headers.getKnown('b3');
  if (single === undefined) return readB3Headers(headers);
  // an upstream gets the headers of the other form
  headers.deleteKnown('b3');
  const fields = parseSingleB3(single);
  if (typeof fields === 'string') {
    ctx.log.error(`invalid b3 header: ${single}, ignored: ${fields}`);
    return { status: 400 };
  }
  if (fields.sampled !== 'd') return fields;
  headers.setKnown('x-b3-flags', 'x-b3-flags', '1');
  return { ...fields, sampled: '1' };
}

function startTrace(ctx: RequestContext, fields: B3Fields, ratio: number): RequestTrace {
  const remote = remoteSpan(fields, (message) => ctx.log.warn(message));
  const isDebug = ctx.request.headers.getKnown('x-b3-flags') === '1';
  return {
    traceId: remote?.traceId ?? newTraceId(),
    isSampled: Math.random() < ratioOf(fields.sampled, isDebug ? 1 : ratio),
    request: {
      name: 'apisix.request',
      id: newSpanId(),
      // a caller that names no span of its own still is above this one
      parentId: remote === undefined ? undefined : (remote.spanId ?? newSpanId()),
      startMs: ctx.startTimeMs,
    },
    method: ctx.request.method,
    url: ctx.vars.get('request_uri') ?? ctx.request.rawTarget,
    client: ctx.client,
    rewriteEndMs: 0,
    proxy: undefined,
    response: undefined,
  };
}

/** What the caller decided is kept. */
function ratioOf(sampled: string | undefined, ratio: number): number {
  if (sampled === '1' || sampled === 'true') return 1;
  if (sampled === '0' || sampled === 'false') return 0;
  return ratio;
}

function childOf(parent: Span, name: string, startMs: number): Span {
  return { name, id: newSpanId(), parentId: parent.id, startMs };
}

function setHeaders(ctx: RequestContext, trace: RequestTrace, span: Span): void {
  const { headers } = ctx.request;
  headers.setKnown('x-b3-traceid', 'x-b3-traceid', trace.traceId);
  if (span.parentId !== undefined) {
    headers.setKnown('x-b3-parentspanid', 'x-b3-parentspanid', span.parentId);
  }
  headers.setKnown('x-b3-spanid', 'x-b3-spanid', span.id);
  headers.setKnown('x-b3-sampled', 'x-b3-sampled', trace.isSampled ? '1' : '0');
}

function setVariables({ vars }: RequestContext, trace: RequestTrace): void {
  const { traceId, isSampled, request } = trace;
  vars.set('zipkin_context_traceparent', traceParent({ traceId, spanId: request.id, isSampled }));
  vars.set('zipkin_trace_id', traceId);
  vars.set('zipkin_span_id', request.id);
}

/** These spans end now. */
function report(
  ctx: RequestContext,
  { conf, batch, trace: key }: Prepared,
  spans: readonly (Span | undefined)[],
): void {
  const trace = ctx.get(key);
  if (trace === undefined) return;
  const endMs = Date.now();
  for (const span of spans) {
    if (span === undefined) continue;
    const isRequest = span === trace.request;
    const json = encodeZipkinSpan({
      ...span,
      traceId: trace.traceId,
      endMs,
      serviceName: conf.service_name,
      serverAddress: serverAddress(conf, ctx),
      serverPort: ctx.server.port,
      request: isRequest ? requestTags(ctx, trace) : undefined,
    });
    batch.push(ctx, json, json.length);
  }
}

function requestTags(ctx: RequestContext, trace: RequestTrace): ZipkinSpan['request'] {
  return {
    client: trace.client,
    tags: {
      component: 'apisix',
      'http.method': trace.method,
      'http.url': trace.url,
      'http.status_code': String(ctx.response.status),
      'apisix.response_source': responseSource(ctx),
    },
  };
}

function serverAddress({ server_addr }: ZipkinConf, { server }: RequestContext): string {
  return server_addr === undefined || server_addr === '' ? server.address : server_addr;
}
