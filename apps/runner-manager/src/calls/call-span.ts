import { SpanKind, SpanStatusCode, type Span, type Tracer } from '@opentelemetry/api';
import { extractTraceContext } from '@polygate/chassis';
import type { CallError } from '../call-error.ts';
import type { RunnerInstance } from '../pool/runner-pool.ts';

export interface TracedCall {
  readonly traceparent: string;
  readonly tracestate: string;
}

export interface SpanFacts {
  readonly rpcName: string;
  readonly confKey: string;
  readonly runner: string;
  readonly plugin: string;
}

/** A `runner.call` span below the data plane's; undefined where either side does not trace. */
export function startCallSpan(
  tracer: Tracer | undefined,
  { traceparent, tracestate }: TracedCall,
  { rpcName, confKey, runner, plugin }: SpanFacts,
): Span | undefined {
  if (tracer === undefined || traceparent === '') return undefined;
  const parent = extractTraceContext({ traceparent, tracestate: tracestate || undefined });
  const options = {
    kind: SpanKind.CLIENT,
    attributes: {
      'polygate.rpc': rpcName,
      'polygate.conf_key': confKey,
      'polygate.runner': runner,
      'polygate.plugin': plugin,
    },
  };
  return tracer.startSpan('runner.call', options, parent);
}

/** @param instance Which the call ran on; undefined: it never got to one. */
export function endCallSpan(
  span: Span | undefined,
  instance: RunnerInstance | undefined,
  error?: CallError,
): void {
  if (span === undefined) return;
  if (instance !== undefined) {
    span.setAttribute('polygate.runner.instance', instance.index);
    span.setAttribute('polygate.runner.generation', instance.generation);
  }
  if (error !== undefined) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
  }
  span.end();
}
