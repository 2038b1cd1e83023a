import { SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import { extractTraceContext } from '@polygate/chassis';
import type { AdminContext, Next } from './admin-state.ts';

/** A server span around each request, child of its caller; never the query: it may hold a key. */
export function traceRequests(tracer: Tracer | undefined) {
  return async (ctx: AdminContext, next: Next): Promise<void> => {
    if (tracer === undefined) {
      await next();
      return;
    }
    const span = tracer.startSpan(
      `${ctx.method} /apisix/admin`,
      {
        kind: SpanKind.SERVER,
        attributes: { 'http.request.method': ctx.method, 'url.path': ctx.path },
      },
      extractTraceContext({
        traceparent: ctx.get('traceparent') || undefined,
        tracestate: ctx.get('tracestate') || undefined,
      }),
    );
    try {
      await next();
    } finally {
      span.setAttribute('http.response.status_code', ctx.status);
      if (ctx.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    }
  };
}
