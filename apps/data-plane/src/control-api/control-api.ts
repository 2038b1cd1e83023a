import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { listenOn } from '@polygate/chassis';
import type { LocalReply, Logger } from '@polygate/plugin-sdk';
import { parseRequestTarget } from '../request/request-target.ts';
import { makeLocalAnswer } from '../server/local-answer.ts';
import type { ControlView } from './control-view.ts';
import { dispatch } from './endpoints.ts';

export interface ControlApiOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** The Server header. */
  readonly productName: string;
  readonly view: ControlView;
  readonly log: Logger;
}

export interface ControlApi {
  readonly port: number;
  close(): Promise<void>;
}

const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;
const CONNECTIONS_MAX = 64;

/**
 * APISIX's Control API (apisix/control/router.lua): what this data plane serves, for whoever may
 * reach its address. Bodies are not read. Rejects when the address cannot be had.
 */
export async function startControlApi(options: ControlApiOptions): Promise<ControlApi> {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, keepAliveTimeout: KEEP_ALIVE_MS },
    (request, response) => {
      request.resume();
      void serve(request, response, options);
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  const port = await listenOn(server, { host: options.host, port: options.port });
  return { port, close: () => closed(server) };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { log, productName, view }: ControlApiOptions,
): Promise<void> {
  let reply: LocalReply;
  try {
    reply = await replyTo(request, view);
  } catch (error) {
    log.error(`Control API: ${request.method ?? ''} ${request.url ?? ''} failed: ${String(error)}`);
    reply = { status: 500 };
  }
  const { status, headers, body } = makeLocalAnswer(reply, productName);
  headers.set('Server', productName);
  response.writeHead(status, headers.toRaw());
  response.end(body);
}

async function replyTo(request: IncomingMessage, view: ControlView): Promise<LocalReply> {
  const target = parseRequestTarget(request.url ?? '');
  if (target === undefined) return { status: 400 };
  const { method = '', headers } = request;
  const { path, query } = target;
  const reply = await dispatch({ method, path, query, accept: headers.accept }, view);
  const isJson = typeof reply.body === 'object' && !(reply.body instanceof Uint8Array);
  return isJson ? { ...reply, headers: { 'Content-Type': 'application/json' } } : reply;
}

function closed(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  return promise;
}
