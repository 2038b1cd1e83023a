import { constants } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { TlsSession } from '../request/exchange.ts';
import { Http2Connection } from './http2-connection.ts';
import type { Http2Options } from './http2-connection.ts';

/** For the last bytes of connections that are cut because the time to drain is over. */
const STOP_LINGER_MS = 200;
const LATECOMER_MS = 100;

export interface Http2AcceptorOptions extends Http2Options {
  /** Counts connections from `accept` to their end, where the listener does not. */
  readonly traffic?: { connectionOpened(): void; connectionClosed(): void };
}

/** Takes over sockets whose clients speak HTTP/2. */
export interface Http2Acceptor {
  readonly connections: number;
  /**
   * The socket is the acceptor's from here on, and closed by it. Bytes that were read already must have
   * been put back with `unshift`; the client's preface (`PRI * HTTP/2.0…`) is among them.
   */
  accept(socket: Socket | TLSSocket, tls: TlsSession | undefined): void;
  /**
   * Sends GOAWAY to every client, also to those accepted later. Resolves when all requests under way
   * have ended and the connections are gone; what is left after `graceMs` is cut.
   */
  drain(graceMs: number): Promise<void>;
}

export function createHttp2Acceptor(options: Http2AcceptorOptions): Http2Acceptor {
  const { traffic, deadlines } = options;
  const connections = new Set<Http2Connection>();
  let drained: (() => void) | undefined;

  const accept: Http2Acceptor['accept'] = (socket, tls) => {
    if (socket.destroyed) return;
    const connection = new Http2Connection(socket, tls, options);
    connections.add(connection);
    deadlines.add(connection);
    traffic?.connectionOpened();
    connection.onceClosed(() => {
      connections.delete(connection);
      deadlines.delete(connection);
      traffic?.connectionClosed();
      if (connections.size === 0) drained?.();
    });
    // whoever connected just before the listener closed may ask for what he came for
    if (drained !== undefined) setTimeout(() => connection.shutDown(), LATECOMER_MS);
  };

  return {
    get connections() {
      return connections.size;
    },
    accept,
    drain: (graceMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => {
          for (const one of connections)
            one.cut(constants.NGHTTP2_NO_ERROR, 'the gateway stops', STOP_LINGER_MS);
        }, graceMs);
        drained = () => {
          clearTimeout(timer);
          resolve();
        };
        if (connections.size === 0) drained();
        for (const connection of connections) connection.shutDown();
      }),
  };
}
