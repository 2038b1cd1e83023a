import { ProtoWriter } from '../log-sinks/proto-writer.ts';

// Protobuf of opentelemetry-proto's collector/trace/v1, as much of it as a gateway has to say. Written
// straight into bytes: objects for a library to look through would cost more than the span.

export type AttributeValue =
  string | boolean | { readonly int: number } | { readonly double: number };

export interface Attribute {
  readonly key: string;
  readonly value: AttributeValue;
}

export interface SpanRecord {
  /** Hexadecimal. */
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly traceState: string | undefined;
  readonly name: string;
  /** Milliseconds since the epoch, with a fraction. */
  readonly startTimeMs: number;
  readonly endTimeMs: number;
  readonly attributes: readonly Attribute[];
  /** What is wrong; undefined: nothing that is known. */
  readonly error: string | undefined;
}

const KIND_SERVER = 2;
const STATUS_ERROR = 2;

/** `Span` of opentelemetry/proto/trace/v1/trace.proto. */
export function encodeSpan(span: SpanRecord): Buffer {
  const writer = new ProtoWriter();
  writer.bytes(1, Buffer.from(span.traceId, 'hex'));
  writer.bytes(2, Buffer.from(span.spanId, 'hex'));
  if (span.traceState !== undefined) writer.text(3, span.traceState);
  if (span.parentSpanId !== undefined) writer.bytes(4, Buffer.from(span.parentSpanId, 'hex'));
  writer.text(5, span.name);
  writer.number(6, KIND_SERVER);
  writer.nanoseconds(7, span.startTimeMs);
  writer.nanoseconds(8, span.endTimeMs);
  for (const attribute of span.attributes) writer.bytes(9, encodeAttribute(attribute));
  if (span.error !== undefined) {
    const status = new ProtoWriter();
    status.text(2, span.error);
    status.number(3, STATUS_ERROR);
    writer.bytes(15, status.finish());
  }
  return writer.finish();
}

/** `Resource` of opentelemetry/proto/resource/v1/resource.proto. */
export function encodeResource(attributes: readonly Attribute[]): Buffer {
  const writer = new ProtoWriter();
  for (const attribute of attributes) writer.bytes(1, encodeAttribute(attribute));
  return writer.finish();
}

/** `ExportTraceServiceRequest` of one resource and one scope. `spans`: of `encodeSpan`. */
export function encodeExport(
  resource: Buffer,
  scopeName: string,
  spans: readonly Buffer[],
): Buffer {
  const scope = new ProtoWriter();
  scope.text(1, scopeName);
  const scopeSpans = new ProtoWriter();
  scopeSpans.bytes(1, scope.finish());
  for (const span of spans) scopeSpans.bytes(2, span);
  const resourceSpans = new ProtoWriter();
  resourceSpans.bytes(1, resource);
  resourceSpans.bytes(2, scopeSpans.finish());
  const request = new ProtoWriter();
  request.bytes(1, resourceSpans.finish());
  return request.finish();
}

/** `KeyValue` of opentelemetry/proto/common/v1/common.proto. */
function encodeAttribute({ key, value }: Attribute): Buffer {
  const any = new ProtoWriter();
  if (typeof value === 'string') any.text(1, value);
  else if (typeof value === 'boolean') any.number(2, value ? 1 : 0);
  else if ('int' in value) any.number(3, value.int);
  else any.double(4, value.double);
  const writer = new ProtoWriter();
  writer.text(1, key);
  writer.bytes(2, any.finish());
  return writer.finish();
}
