import { trace } from '@opentelemetry/api';
import { expect, test } from 'vitest';
import { extractTraceContext, injectTraceContext } from './trace-context.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${spanId}-01`;

test('headers of a caller pass through unchanged', () => {
  const context = extractTraceContext({ traceparent, tracestate: 'a=1,b=2' });
  expect(trace.getSpanContext(context)).toMatchObject({
    traceId,
    spanId,
    isRemote: true,
    traceFlags: 1,
  });
  expect(injectTraceContext(context)).toEqual({ traceparent, tracestate: 'a=1,b=2' });
  expect(injectTraceContext(extractTraceContext({ traceparent }))).toEqual({ traceparent });
});

test('a later version of the header is read as far as it is known', () => {
  const context = extractTraceContext({ traceparent: `01-${traceId}-${spanId}-ff-more` });
  expect(injectTraceContext(context)).toEqual({ traceparent });
});

test.each([
  undefined,
  '',
  'nonsense',
  `ff-${traceId}-${spanId}-01`,
  `00-${traceId}-${spanId}-01-more`,
  `00-${'0'.repeat(32)}-${spanId}-01`,
  `00-${traceId}-${'0'.repeat(16)}-01`,
  `00-${traceId.toUpperCase()}-${spanId}-01`,
  `00-${traceId}-${spanId}`,
])('the traceparent %j starts a new trace', (header) => {
  const context = extractTraceContext({ traceparent: header, tracestate: 'a=1' });
  expect(trace.getSpanContext(context)).toBeUndefined();
  expect(injectTraceContext(context)).toBeUndefined();
});

test('a tracestate past what must be carried is dropped', () => {
  const context = extractTraceContext({ traceparent, tracestate: `a=${'x'.repeat(600)}` });
  expect(injectTraceContext(context)).toEqual({ traceparent });
});
