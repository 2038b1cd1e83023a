import { SpanKind, SpanStatusCode, type Span, type Tracer } from '@opentelemetry/api';
import { extractTraceContext } from '@polygate/chassis';
import { CallError } from '../call-error.ts';

export interface TracedCall {
  readonly traceparent: string;
  readonly tracestate: string;
}

/** A `runner.call` span below the data plane's; undefined where either side does not trace. */
export function startCallSpan(
  tracer: Tracer | undefined,
  { traceparent, tracestate }: TracedCall,
  attributes: { readonly rpcName: string; readonly confKey: string },
): Span | undefined {
  if (tracer === undefined || traceparent === '') return undefined;
  const parent = extractTraceContext({ traceparent, tracestate: tracestate || undefined });
  const options = {
    kind: SpanKind.CLIENT,
    attributes: { 'polygate.rpc': attributes.rpcName, 'polygate.conf_key': attributes.confKey },
  };
  return tracer.startSpan('runner.call', options, parent);
}

export function endCallSpan(span: Span | undefined, error?: unknown): void {
  if (span === undefined) return;
  if (error instanceof CallError) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
  }
  span.end();
}
