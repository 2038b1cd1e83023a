import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { listenOn } from '@polygate/chassis';
import type { ListenAddress } from '@polygate/chassis';
import type { WorkerTraffic } from '../metrics/gateway-metrics.ts';
import type { TlsSession } from '../request/exchange.ts';
import type { TlsAcceptor } from '../tls/tls-acceptor.ts';
import { Http1Connection } from './http1-connection.ts';
import type { Http1Options } from './http1-options.ts';

/** An address, and what is spoken there. */
export interface Listener extends ListenAddress {
  readonly tls: boolean;
  /** HTTP/2 beside HTTP/1.1: by ALPN, or in clear text by prior knowledge. */
  readonly http2: boolean;
}

/** The part of another room that serves HTTP/2. */
export interface Http2Side {
  accept(socket: Socket, tls: TlsSession | undefined): void;
  drain(graceMs: number): Promise<void>;
}

export interface ListenersOptions {
  readonly listen: readonly Listener[];
  readonly http1: Omit<Http1Options, 'onHttp2'>;
  readonly tls: Pick<TlsAcceptor, 'accept'>;
  readonly http2: Http2Side;
  readonly connectionsMax: number;
  readonly traffic: WorkerTraffic;
}

export interface GatewayListeners {
  /** With real ports, in the order asked for. */
  readonly listen: readonly Listener[];
  /** Accepts no more; resolves when the requests in flight have ended, at the latest after `graceMs`. */
  drain(graceMs: number): Promise<void>;
}

/** Listens on every address; `SO_REUSEPORT` lets all workers share them. */
export async function startListeners(options: ListenersOptions): Promise<GatewayListeners> {
  const connections = new ConnectionSet(options);
  const servers = options.listen.map((listener) =>
    createServer(
      { pauseOnConnect: true, allowHalfOpen: true, noDelay: true },
      connections.acceptorFor(listener),
    ),
  );
  let listen: readonly Listener[];
  try {
    listen = await Promise.all(
      servers.map((server, i) => bind(server, options.listen[i] as Listener)),
    );
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  return {
    listen,
    async drain(graceMs) {
      for (const server of servers) server.close();
      await Promise.all([connections.drain(graceMs), options.http2.drain(graceMs)]);
    },
  };
}

/** The clients' connections of one worker. */
class ConnectionSet {
  readonly #options: ListenersOptions;
  readonly #http1 = new Set<Http1Connection>();
  #open = 0;
  #isDraining = false;
  #onEmpty: () => void = () => undefined;

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  /** What one listener does with the sockets it accepts. */
  acceptorFor(listener: Listener): (socket: Socket) => void {
    const http1: Http1Options = {
      ...this.#options.http1,
      onHttp2: listener.http2 && !listener.tls ? (socket) => this.#takeHttp2(socket) : undefined,
    };
    return (socket) => {
      if (!this.#admit(socket)) return;
      if (listener.tls) this.#acceptTls(socket, http1);
      else this.#serveHttp1(socket, undefined, http1);
    };
  }

  #admit(socket: Socket): boolean {
    const { traffic, connectionsMax } = this.#options;
    if (this.#open >= connectionsMax && !this.#closeIdle()) {
      socket.destroy();
      return false;
    }
    traffic.connectionOpened();
    this.#open += 1;
    return true;
  }

  #acceptTls(socket: Socket, options: Http1Options): void {
    let isOpen = true;
    const closed = (): void => {
      if (isOpen) this.#closed();
      isOpen = false;
    };
    socket.on('error', () => undefined);
    socket.once('close', closed);
    this.#options.tls.accept(socket, ({ socket: secure, alpnProtocol, session }) => {
      secure.once('close', closed);
      if (alpnProtocol === 'h2') this.#options.http2.accept(secure, session);
      else this.#serveHttp1(secure, session, options);
    });
  }

  #takeHttp2(socket: Socket): void {
    socket.once('close', () => this.#closed());
    this.#options.http2.accept(socket, undefined);
  }

  #serveHttp1(socket: Socket, tls: TlsSession | undefined, options: Http1Options): void {
    const connection = new Http1Connection(socket, tls, options, (gone) => {
      this.#http1.delete(gone);
      if (tls === undefined && !gone.isHandedOver) this.#closed();
      if (this.#http1.size === 0) this.#onEmpty();
    });
    this.#http1.add(connection);
    if (this.#isDraining) connection.drain();
  }

  #closed(): void {
    this.#open -= 1;
    this.#options.traffic.connectionClosed();
  }

  /** Room for somebody who has something to say. The oldest idle connections come first. */
  #closeIdle(): boolean {
    for (const connection of this.#http1) {
      if (!connection.isIdle) continue;
      connection.destroy();
      return true;
    }
    return false;
  }

  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true;
    for (const connection of [...this.#http1]) connection.drain();
    if (this.#http1.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        for (const connection of [...this.#http1]) connection.destroy();
        resolve();
      }, graceMs);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

async function bind(server: Server, listener: Listener): Promise<Listener> {
  const { host, port } = listener;
  const reusePort = process.platform === 'linux';
  return { ...listener, port: await listenOn(server, { host, port, reusePort, backlog: 1024 }) };
}
