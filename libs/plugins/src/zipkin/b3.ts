import type { HeaderList } from '@polygate/plugin-sdk';

// https://github.com/openzipkin/b3-propagation. Source: zipkin.lua and zipkin/codec.lua.

/** What the caller says of its trace, not checked. */
export interface B3Fields {
  readonly traceId: string | undefined;
  readonly spanId: string | undefined;
  readonly parentSpanId: string | undefined;
  readonly sampled: string | undefined;
}

/** The single header. A text: what is wrong with it. */
export function parseSingleB3(header: string): B3Fields | string {
  const none = { traceId: undefined, spanId: undefined, parentSpanId: undefined };
  if (header === '0') return { ...none, sampled: '0' };
  const [traceId, spanId, sampled, ...rest] = header.split('-');
  if (spanId === undefined) return 'missing span_id';
  return {
    traceId,
    spanId,
    sampled,
    parentSpanId: rest.length === 0 ? undefined : rest.join('-'),
  };
}

export function readB3Headers(headers: HeaderList): B3Fields {
  return {
    traceId: headers.getKnown('x-b3-traceid'),
    spanId: headers.getKnown('x-b3-spanid'),
    parentSpanId: headers.getKnown('x-b3-parentspanid'),
    sampled: headers.getKnown('x-b3-sampled'),
  };
}

/** The caller's span. */
export interface RemoteSpan {
  readonly traceId: string;
  readonly spanId: string | undefined;
}

const TRACE_ID = /^(?:[\da-fA-F]{16}|[\da-fA-F]{32})$/;
const SPAN_ID = /^[\da-fA-F]{16}$/;

/** Undefined where there is none, or an id is not one; `onInvalid` is told of those. */
export function remoteSpan(
  { traceId, spanId, parentSpanId }: B3Fields,
  onInvalid: (message: string) => void,
): RemoteSpan | undefined {
  const checked = [
    ['x-b3-traceid', traceId, TRACE_ID],
    ['x-b3-parentspanid', parentSpanId, SPAN_ID],
    ['x-b3-spanid', spanId, SPAN_ID],
  ] as const;
  const invalid = checked.filter(([, value, form]) => value !== undefined && !form.test(value));
  for (const [name] of invalid) onInvalid(`${name} header invalid; ignoring.`);
  if (traceId === undefined || invalid.length > 0) return undefined;
  return { traceId: traceId.toLowerCase(), spanId: spanId?.toLowerCase() };
}
