import {
  createTraceState,
  isSpanContextValid,
  ROOT_CONTEXT,
  trace,
  type Context,
  type Span,
} from '@opentelemetry/api';

/** Headers of https://www.w3.org/TR/trace-context/. */
export interface TraceHeaders {
  readonly traceparent: string;
  readonly tracestate?: string;
}

const TRACESTATE_BYTES_MAX = 512;

/** The headers for the next hop; undefined when there is no span to continue. */
export function injectTraceContext(from: Span | Context): TraceHeaders | undefined {
  const span = 'spanContext' in from ? from.spanContext() : trace.getSpanContext(from);
  if (!span || !isSpanContextValid(span)) return undefined;
  const flags = span.traceFlags.toString(16).padStart(2, '0');
  const traceparent = `00-${span.traceId}-${span.spanId}-${flags}`;
  const tracestate = span.traceState?.serialize();
  return tracestate ? { traceparent, tracestate } : { traceparent };
}

/**
 * The caller's span as the parent for `tracer.startSpan(name, options, context)`. Headers that are
 * missing or break the specification start a new trace, as it asks.
 */
export function extractTraceContext(headers: {
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}): Context {
  const parent = parseTraceparent(headers.traceparent);
  if (!parent) return ROOT_CONTEXT;
  const { tracestate } = headers;
  const keepState = tracestate !== undefined && tracestate.length <= TRACESTATE_BYTES_MAX;
  return trace.setSpanContext(ROOT_CONTEXT, {
    ...parent,
    isRemote: true,
    ...(keepState && { traceState: createTraceState(tracestate) }),
  });
}

function parseTraceparent(header: string | undefined) {
  const match = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/.exec(header ?? '');
  if (!match) return undefined;
  const [, version, traceId = '', spanId = '', flags = '', rest] = match;
  // Versions after 00 may add fields; ff is forbidden.
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  // Of the flags, only `sampled` is known.
  const parent = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1 };
  return isSpanContextValid(parent) ? parent : undefined;
}
