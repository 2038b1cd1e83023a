import { FailureReason } from '@polygate/rpc';
import { SpanStatusCode, trace, type Span, type Tracer } from '@opentelemetry/api';
import { expect, test, vi } from 'vitest';
import { CallError } from '../call-error.ts';
import type { RunnerInstance } from '../pool/runner-pool.ts';
import { endCallSpan, startCallSpan } from './call-span.ts';

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const attributes = {
  rpcName: 'RPC_HTTP_REQ_CALL',
  confKey: 'route#1',
  runner: 'go',
  plugin: 'say',
};
const instance = { index: 1, generation: 3 } as RunnerInstance;

function recorder() {
  const span = { setStatus: vi.fn(), setAttribute: vi.fn(), end: vi.fn() };
  const startSpan = vi.fn<Tracer['startSpan']>(() => span as unknown as Span);
  return { span, startSpan, tracer: { startSpan } as unknown as Tracer };
}

test('a call gets a span below the span of the data plane', () => {
  const { span, startSpan, tracer } = recorder();
  const started = startCallSpan(tracer, { traceparent, tracestate: 'a=b' }, attributes);
  const [name, options, context] = startSpan.mock.calls[0]!;
  expect(name).toBe('runner.call');
  expect(options).toMatchObject({
    attributes: {
      'polygate.conf_key': 'route#1',
      'polygate.runner': 'go',
      'polygate.plugin': 'say',
    },
  });
  expect(trace.getSpanContext(context!)).toMatchObject({
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
  });
  endCallSpan(started, instance);
  expect(span.setAttribute.mock.calls).toEqual([
    ['polygate.runner.instance', 1],
    ['polygate.runner.generation', 3],
  ]);
  expect(span.end).toHaveBeenCalledOnce();
  expect(span.setStatus).not.toHaveBeenCalled();
});

test('a failed call says so in its span', () => {
  const { span, tracer } = recorder();
  const started = startCallSpan(tracer, { traceparent, tracestate: '' }, attributes);
  endCallSpan(started, undefined, new CallError(FailureReason.TIMEOUT, 'too late'));
  const status = { code: SpanStatusCode.ERROR, message: 'too late' };
  expect(span.setStatus).toHaveBeenCalledWith(status);
});

test('no span where either side does not trace', () => {
  const { startSpan, tracer } = recorder();
  expect(startCallSpan(undefined, { traceparent, tracestate: '' }, attributes)).toBeUndefined();
  expect(startCallSpan(tracer, { traceparent: '', tracestate: '' }, attributes)).toBeUndefined();
  expect(startSpan).not.toHaveBeenCalled();
});
