import type { RequestContext } from '@polygate/plugin-sdk';
import { extractTraceContext, injectTraceContext } from '@polygate/chassis';
import type { Telemetry, TraceHeaders } from '@polygate/chassis';
import { GatewayContext } from '../request/gateway-context.ts';

const SPAN_STATUS_ERROR = 2;

/**
 * A span per request, child of the client's W3C trace context; the upstream and the runner get ours.
 * Undefined when tracing is off, so that the request path checks one field.
 */
export function requestTracer({
  tracer,
  meter,
}: Telemetry): ((ctx: GatewayContext) => () => void) | undefined {
  if (tracer === undefined) return undefined;
  const duration = meter?.createHistogram('http.server.request.duration', { unit: 's' });
  return (ctx) => {
    const { headers, method } = ctx.request;
    const traceparent = headers.get('traceparent');
    const tracestate = headers.get('tracestate');
    const parent = extractTraceContext({ traceparent, tracestate });
    const span = tracer.startSpan(
      `${method} request`,
      {
        attributes: {
          'http.request.method': method,
          'url.path': ctx.request.path,
          'url.scheme': ctx.request.scheme,
          'server.address': ctx.request.host,
          'client.address': ctx.client.address,
        },
      },
      parent,
    );
    const own = injectTraceContext(span);
    ctx.traceContext = own;
    if (own !== undefined) headers.set('traceparent', own.traceparent);
    if (own?.tracestate !== undefined) headers.set('tracestate', own.tracestate);
    return () => {
      const { status } = ctx.response;
      span.setAttribute('http.response.status_code', status);
      if (ctx.route !== undefined) span.setAttribute('http.route', ctx.route.matchedPath);
      if (status >= 500) span.setStatus({ code: SPAN_STATUS_ERROR });
      span.end();
      duration?.record((Date.now() - ctx.startTimeMs) / 1000, {
        'http.request.method': method,
        'http.response.status_code': status,
      });
    };
  };
}

/** What a runner call carries on. Undefined for a request without a span. */
export function traceContextOf(ctx: RequestContext): TraceHeaders | undefined {
  return ctx instanceof GatewayContext ? ctx.traceContext : undefined;
}
