import type { Peer } from '@polygate/plugin-sdk';
import type { LogSink } from '../log-sinks/log-batches.ts';
import { endpointUrl, openHttpTarget } from '../log-sinks/log-sink-http.ts';

/** APISIX leaves it to resty.http: its default. */
const TIMEOUT_MS = 60_000;
const IDLE_MS = 5000;
const CONNECTIONS_MAX = 5;

export interface ZipkinSpan {
  readonly traceId: string;
  readonly id: string;
  readonly parentId: string | undefined;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly startMs: number;
  readonly endMs: number;
  readonly serviceName: string;
  readonly serverAddress: string;
  readonly serverPort: number;
  /** Of the span of the request itself. */
  readonly request:
    { readonly client: Peer; readonly tags: Readonly<Record<string, string>> } | undefined;
}

/** JSON of a span of Zipkin's API v2. Source: report of apisix/plugins/zipkin/reporter.lua. */
export function encodeZipkinSpan(span: ZipkinSpan): string {
  const { request } = span;
  return JSON.stringify({
    traceId: span.traceId,
    name: span.name,
    parentId: span.parentId,
    id: span.id,
    kind: request === undefined ? undefined : 'SERVER',
    timestamp: span.startMs * 1000,
    duration: Math.max(0, span.endMs - span.startMs) * 1000,
    localEndpoint: {
      serviceName: span.serviceName,
      ipv4: span.serverAddress,
      port: span.serverPort,
    },
    remoteEndpoint:
      request === undefined ? null : { ipv4: request.client.address, port: request.client.port },
    tags: request?.tags ?? {},
  });
}

export function openZipkin(endpoint: string): LogSink<string> {
  const target = openHttpTarget({
    timeoutMs: TIMEOUT_MS,
    verifyTls: true,
    keepAlive: { idleMs: IDLE_MS, connectionsMax: CONNECTIONS_MAX },
  });
  const headers = { 'Content-Type': 'application/json' };
  return {
    async send(spans) {
      const answer = await target.post(endpointUrl(endpoint), headers, `[${spans.join(',')}]`);
      if (answer.status >= 200 && answer.status < 300) return;
      throw new Error(`failed: ${endpoint} ${answer.status}`);
    },
    close: () => target.close(),
  };
}
