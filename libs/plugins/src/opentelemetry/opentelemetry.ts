import { contextKey, definePlugin } from '@polygate/plugin-sdk';
import type { ContextKey, RequestContext } from '@polygate/plugin-sdk';
import type { LogBatch } from '../log-sinks/log-batches.ts';
import { encodeSpan, type Attribute } from './otlp-encoder.ts';
import { responseSource } from '../tracing/response-source.ts';
import {
  isTraceId,
  newSpanId,
  newTraceId,
  parseTraceParent,
  traceParent,
  type TraceParent,
} from '../tracing/trace-ids.ts';
import {
  definition,
  type OpentelemetryConf,
  type OpentelemetryMetadata,
} from './opentelemetry.schema.ts';
import { createSampler, type Sampler } from './sampler.ts';
import { acquireExporter } from './span-exporter.ts';

/** W3C: what is longer need not be passed on. */
const TRACE_STATE_CHARS_MAX = 512;
/** Of a span in memory, about. */
const SPAN_BYTES = 1024;

interface Tracing {
  readonly metadata: OpentelemetryMetadata;
  readonly exporter: LogBatch<Buffer>;
}

interface Prepared {
  readonly conf: OpentelemetryConf;
  readonly sampler: Sampler;
  /** Undefined without metadata. */
  readonly tracing: Tracing | undefined;
  readonly span: ContextKey<OpenSpan>;
}

/** One that is recorded; what the request was like is told when it is over. */
interface OpenSpan {
  readonly own: TraceParent;
  readonly parentSpanId: string | undefined;
  readonly traceState: string | undefined;
  readonly name: string;
  readonly startTimeMs: number;
  readonly attributes: Attribute[];
}

/**
 * A span for each request, to an OpenTelemetry collector by OTLP over HTTP, and W3C trace context to the
 * upstream. A gateway's own writer instead of the SDK's: samplers are of routes, the exporter is of the
 * worker, and a span costs a few microseconds only when it is recorded.
 */
export default definePlugin<OpentelemetryConf, Prepared>(definition, {
  prepare(conf, env) {
    // with metadata, defaults are filled in
    const metadata = env.metadata as unknown as Partial<OpentelemetryMetadata>;
    const tracing =
      metadata.collector === undefined
        ? undefined
        : {
            metadata: metadata as OpentelemetryMetadata,
            exporter: acquireExporter(metadata as OpentelemetryMetadata, env),
          };
    const span = contextKey<OpenSpan>('opentelemetry-span');
    return { conf, sampler: createSampler(conf.sampler), tracing, span };
  },

  dispose: ({ tracing }) => tracing?.exporter.release(),

  rewrite(ctx, { sampler, tracing, span }) {
    if (tracing === undefined) {
      ctx.log.warn('plugin_metadata is required for opentelemetry plugin to working properly');
      return;
    }
    const { headers } = ctx.request;
    const parent = parseTraceParent(headers.getKnown('traceparent'));
    const traceId = parent?.traceId ?? rootTraceId(ctx, tracing.metadata);
    const own = { traceId, spanId: newSpanId(), isSampled: sampler(traceId, parent) };
    const traceState = parent === undefined ? undefined : traceStateOf(ctx);
    if (tracing.metadata.set_ngx_var) setVariables(ctx, own);
    if (own.isSampled) {
      const parentSpanId = parent?.spanId;
      ctx.set(span, { ...openSpan(ctx), own, parentSpanId, traceState });
    }
    headers.setKnown('traceparent', 'traceparent', traceParent(own));
    if (traceState === undefined) headers.deleteKnown('tracestate');
  },

  log(ctx, { conf, tracing, span }) {
    const open = ctx.get(span);
    if (open === undefined) return;
    const { own, ...known } = open;
    const { status } = ctx.response;
    const source = responseSource(ctx);
    open.attributes.push(
      { key: 'apisix.response_source', value: source },
      { key: 'http.status_code', value: { int: status } },
      { key: 'http.response.status_code', value: { int: status } },
    );
    addVariables(open.attributes, conf.additional_attributes ?? [], ctx);
    addHeaders(open.attributes, conf.additional_header_prefix_attributes ?? [], ctx);
    const encoded = encodeSpan({
      ...known,
      traceId: own.traceId,
      spanId: own.spanId,
      endTimeMs: nowMs(),
      error: status >= 500 ? `${source} error: ${status}` : undefined,
    });
    tracing?.exporter.push(ctx, encoded, encoded.length + SPAN_BYTES);
  },
});

function openSpan(ctx: RequestContext): Pick<OpenSpan, 'name' | 'startTimeMs' | 'attributes'> {
  const { request, route } = ctx;
  const { method, scheme, path } = request;
  const attributes: Attribute[] = [];
  const add = (key: string, value: string | undefined): void => {
    if (value !== undefined) attributes.push({ key, value });
  };
  const userAgent = request.headers.getKnown('user-agent');
  add('net.host.name', request.host);
  // names of old semantic conventions, then those of new ones
  add('http.method', method);
  add('http.scheme', scheme);
  add('http.target', ctx.vars.get('request_uri'));
  add('http.user_agent', userAgent);
  add('http.request.method', method);
  add('url.scheme', scheme);
  add('url.path', path);
  add('user_agent.original', userAgent);
  if (route !== undefined) {
    add('apisix.route_id', route.id);
    add('apisix.route_name', route.name);
    add('http.route', route.matchedPath);
    add('apisix.service_id', route.serviceId);
    add('apisix.service_name', route.serviceName);
  }
  const name = route === undefined ? method : `${method} ${route.matchedPath}`;
  return { name, startTimeMs: nowMs(), attributes };
}

/** Of a trace that begins here. */
function rootTraceId(ctx: RequestContext, { trace_id_source }: OpentelemetryMetadata): string {
  if (trace_id_source !== 'x-request-id') return newTraceId();
  const named = ctx.request.headers.getAll('x-request-id');
  const id = named.length === 0 ? ctx.vars.get('request_id') : named[0];
  const lower = id?.toLowerCase() ?? '';
  return named.length <= 1 && isTraceId(lower) ? lower : newTraceId();
}

function traceStateOf({ request }: RequestContext): string | undefined {
  const traceState = request.headers.getAll('tracestate').join(',');
  return traceState === '' || traceState.length > TRACE_STATE_CHARS_MAX ? undefined : traceState;
}

function setVariables({ vars }: RequestContext, own: TraceParent): void {
  vars.set('opentelemetry_context_traceparent', traceParent(own));
  vars.set('opentelemetry_trace_id', own.traceId);
  vars.set('opentelemetry_span_id', own.spanId);
}

function addVariables(
  attributes: Attribute[],
  names: readonly string[],
  { vars }: RequestContext,
): void {
  for (const key of names) {
    const value = vars.get(key);
    if (value !== undefined) attributes.push({ key, value });
  }
}

function addHeaders(
  attributes: Attribute[],
  wanted: readonly string[],
  { request }: RequestContext,
): void {
  const { headers } = request;
  const add = (key: string, name: string): void => {
    const values = headers.getAll(name);
    if (values.length > 0) attributes.push({ key, value: values.join(', ') });
  };
  for (const name of wanted) {
    if (name.length < 2 || !name.endsWith('*')) {
      add(name, name);
      continue;
    }
    const found = new Set<string>();
    headers.forEach((_name, _value, lowerName) => {
      if (lowerName.startsWith(name.slice(0, -1))) found.add(lowerName);
    });
    for (const lowerName of found) add(lowerName, lowerName);
  }
}

/** Milliseconds since the epoch, exact to the microsecond. */
function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
