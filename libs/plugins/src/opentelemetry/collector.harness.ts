// Test only: an OTLP/HTTP collector. It decodes with a library and the field numbers of
// opentelemetry-proto, independent of the plugin's own encoder.
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import protobuf from 'protobufjs';

const PROTO = `syntax = "proto3";
message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message ScopeSpans { InstrumentationScope scope = 1; repeated Span spans = 2; }
message InstrumentationScope { string name = 1; string version = 2; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4;
  string name = 5; int32 kind = 6; fixed64 start_time_unix_nano = 7;
  fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9; Status status = 15;
}
message Status { string message = 2; int32 code = 3; }
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue {
  oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; }
}`;
const request = protobuf
  .parse(PROTO, { keepCase: true })
  .root.lookupType('ExportTraceServiceRequest');

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly name: string;
  readonly kind: number;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: { readonly message: string; readonly code: number } | undefined;
  readonly scope: string;
  readonly resource: Readonly<Record<string, unknown>>;
}

export interface Collector {
  /** `host:port` */
  readonly address: string;
  readonly spans: readonly CollectedSpan[];
  readonly requests: readonly { readonly path: string; readonly headers: IncomingHttpHeaders }[];
  /** What it answers with. */
  status: number;
  close(): Promise<void>;
}

export async function startCollector(): Promise<Collector> {
  const spans: CollectedSpan[] = [];
  const requests: { path: string; headers: IncomingHttpHeaders }[] = [];
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      requests.push({ path: incoming.url ?? '', headers: incoming.headers });
      if (collector.status === 200) spans.push(...decode(Buffer.concat(chunks)));
      response.writeHead(collector.status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const collector: Collector = {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    requests,
    status: 200,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return collector;
}

interface KeyValue {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface WireSpan {
  readonly [field: string]: unknown;
  readonly attributes?: readonly KeyValue[];
}

interface WireRequest {
  readonly resource_spans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scope_spans: readonly {
      readonly scope: { readonly name: string };
      readonly spans: readonly WireSpan[];
    }[];
  }[];
}

function decode(body: Buffer): CollectedSpan[] {
  const decoded = request.toObject(request.decode(body), {
    longs: String,
    bytes: String,
  }) as WireRequest;
  return decoded.resource_spans.flatMap(({ resource, scope_spans }) =>
    scope_spans.flatMap(({ scope, spans }) =>
      spans.map((span) => ({
        traceId: hex(span['trace_id']),
        spanId: hex(span['span_id']),
        parentSpanId: hex(span['parent_span_id'] ?? ''),
        traceState: (span['trace_state'] ?? '') as string,
        name: span['name'] as string,
        kind: span['kind'] as number,
        startNs: BigInt(span['start_time_unix_nano'] as string),
        endNs: BigInt(span['end_time_unix_nano'] as string),
        attributes: record(span.attributes ?? []),
        status: span['status'] as CollectedSpan['status'],
        scope: scope.name,
        resource: record(resource.attributes),
      })),
    ),
  );
}

function record(attributes: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const [kind = '', held] = Object.entries(value)[0] ?? [];
      return [key, kind === 'int_value' ? { int: Number(held) } : held];
    }),
  );
}

const hex = (base64: unknown): string => Buffer.from(base64 as string, 'base64').toString('hex');
