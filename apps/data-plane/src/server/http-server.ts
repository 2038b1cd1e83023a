import http from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { GatewayConfig, ListenAddress } from '@polygate/chassis';
import type { Exchange } from '../request/exchange.ts';
import type { WorkerTraffic } from '../metrics/gateway-metrics.ts';
import { HttpExchange } from './http-exchange.ts';

export interface ListeningServer {
  readonly listen: readonly ListenAddress[];
  /** Accepts no more; resolves when the requests in flight have ended, at the latest after `graceMs`. */
  drain(graceMs: number): Promise<void>;
}

/** Listens on every address; `reusePort` lets all workers share them. */
export async function startHttpServers(
  config: GatewayConfig,
  listen: readonly ListenAddress[],
  serve: (exchange: Exchange) => Promise<void>,
  traffic: WorkerTraffic,
): Promise<ListeningServer> {
  const servers = listen.map(() => createServer(config, serve));
  for (const server of servers) {
    server.on('connection', (socket) => {
      traffic.connectionOpened();
      socket.once('close', () => traffic.connectionClosed());
    });
  }
  const bound = await Promise.all(
    servers.map((server, i) => listenOn(server, listen[i] as ListenAddress)),
  );
  return {
    listen: bound,
    async drain(graceMs) {
      await Promise.all(servers.map((server) => closeServer(server, graceMs)));
    },
  };
}

function createServer(config: GatewayConfig, serve: (exchange: Exchange) => Promise<void>): Server {
  const { limits } = config.polygate;
  const server = http.createServer(
    {
      maxHeaderSize: limits.requestHeadBytesMax,
      headersTimeout: config.http.clientHeaderTimeoutMs,
      // node:http knows a limit for the whole request only; the time between two reads is the
      // engine's of the next version.
      requestTimeout: 0,
      keepAliveTimeout: config.http.keepaliveTimeoutMs,
      connectionsCheckingInterval: 5000,
      noDelay: true,
    },
    (request, response) => void serve(new HttpExchange(request, response)),
  );
  server.maxHeadersCount = limits.requestHeadersMax;
  server.maxConnections = limits.connectionsMax;
  // nginx answers these itself, without looking at the configuration.
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const status =
      error.code === 'HPE_HEADER_OVERFLOW'
        ? '431 Request Header Fields Too Large'
        : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
          ? '408 Request Timeout'
          : '400 Bad Request';
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  });
  return server;
}

function listenOn(server: Server, { host, port }: ListenAddress): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, reusePort: process.platform === 'linux' }, () => {
      server.removeListener('error', reject);
      resolve({ host, port: (server.address() as AddressInfo).port });
    });
  });
}

function closeServer(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
