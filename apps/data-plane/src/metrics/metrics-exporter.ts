import { createServer, type Server, type ServerResponse } from 'node:http';
import { listenOn } from '@polygate/chassis';
import type { Logger } from '@polygate/plugin-sdk';
import { renderExposition } from './exposition.ts';
import type { MetricSnapshot } from './metric-snapshot.ts';

export interface MetricsExporterOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly uri: string;
  /** The snapshots of every worker. */
  readonly collect: () => Promise<readonly MetricSnapshot[]>;
  /** Milliseconds that `collect` may take. */
  readonly collectTimeoutMs?: number;
  readonly log: Pick<Logger, 'error'>;
}

export interface MetricsExporter {
  readonly port: number;
  close(): Promise<void>;
}

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const COLLECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const CONNECTIONS_MAX = 64;

/**
 * Serves `GET <uri>`; everything else is 404, as in APISIX's export server. A scrape that fails is
 * 500, with the cause in the log. Scrapes at the same time share one collection. Rejects when the
 * address cannot be had.
 */
export async function startMetricsExporter(
  options: MetricsExporterOptions,
): Promise<MetricsExporter> {
  const scrape = sharedScrape(options);
  const server = createServer((request, response) => {
    request.resume();
    const path = (request.url ?? '').split('?', 1)[0];
    if (request.method !== 'GET' || path !== options.uri) {
      answer(response, 404, '{"error_msg":"404 Not Found"}\n', 'application/json');
      return;
    }
    scrape().then(
      (text) => answer(response, 200, text, CONTENT_TYPE),
      (error: unknown) => {
        options.log.error(`Failed to collect metrics: ${String(error)}`);
        const body = '{"message":"Failed to retrieve metrics"}\n';
        answer(response, 500, body, 'application/json');
      },
    );
  });
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.maxConnections = CONNECTIONS_MAX;
  const port = await listenOn(server, { host: options.host, port: options.port });
  return { port, close: () => closed(server) };
}

/** What asks at the same time shares one collection. The text is in Prometheus's format. */
export function sharedScrape({
  collect,
  collectTimeoutMs = COLLECT_TIMEOUT_MS,
}: Pick<MetricsExporterOptions, 'collect' | 'collectTimeoutMs'>): () => Promise<string> {
  let underWay: Promise<string> | undefined;
  return () => {
    underWay ??= within(Promise.try(collect), collectTimeoutMs)
      .then(renderExposition)
      .finally(() => (underWay = undefined));
    return underWay;
  };
}

async function within<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function answer(response: ServerResponse, status: number, body: string, type: string): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

function closed(server: Server): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.close((error) => (error === undefined ? resolve() : reject(error)));
  server.closeAllConnections();
  return promise;
}
