import { connect, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import type { NameResolver } from '../dns/name-resolver.ts';
import { readOptions } from '../sockets/byte-socket.ts';
import type { KeepaliveSettings } from '../upstream/compiled-upstream.ts';
import { Http1UpstreamConnection } from './http1-upstream-connection.ts';
import type { ConnectionOwner, UpstreamConnectionOptions } from './http1-upstream-connection.ts';

/** Where the connections of a pool go, and how. */
export interface PoolTarget {
  readonly host: string;
  readonly port: number;
  /** Undefined: plain TCP. */
  readonly tls: ConnectionOptions | undefined;
  readonly keepalive: KeepaliveSettings;
  readonly names: NameResolver;
}

/** The connections to one node with one TLS identity. */
export class UpstreamPool implements ConnectionOwner {
  readonly #target: PoolTarget;
  readonly #options: UpstreamConnectionOptions;
  /** The one used last is used next, so that the others may go. */
  readonly #idle: Http1UpstreamConnection[] = [];
  readonly #all = new Set<Http1UpstreamConnection>();
  readonly #isName: boolean;
  #tlsSession: Buffer | undefined;
  #isClosed = false;

  constructor(target: PoolTarget, options: UpstreamConnectionOptions) {
    this.#target = target;
    this.#options = options;
    this.#isName = isIP(target.host) === 0;
  }

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  /** An idle connection, or a new one that is not connected yet. */
  take(): Http1UpstreamConnection {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined) return this.#open();
      if (!connection.isUsable) continue;
      if (!this.#isName || this.#leadsTo(connection)) return connection;
      connection.destroy();
    }
  }

  /** Whether the name still has the address that the connection was made to. */
  #leadsTo({ remoteAddress }: Http1UpstreamConnection): boolean {
    const { host, names } = this.#target;
    return remoteAddress === undefined || names.leadsTo(host, remoteAddress);
  }

  keep(connection: Http1UpstreamConnection): boolean {
    const { size, idleTimeoutMs, requestsMax } = this.#target.keepalive;
    if (this.#isClosed || this.#idle.length >= size || connection.calls >= requestsMax)
      return false;
    connection.limit(idleTimeoutMs);
    this.#idle.push(connection);
    return true;
  }

  forget(connection: Http1UpstreamConnection): void {
    this.#all.delete(connection);
    const index = this.#idle.indexOf(connection);
    if (index !== -1) this.#idle.splice(index, 1);
  }

  /** Idle connections close now, others with their call. */
  close(): void {
    this.#isClosed = true;
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  #open(): Http1UpstreamConnection {
    const { host, port, tls, names } = this.#target;
    const { lookup } = names;
    const connection =
      tls === undefined
        ? new Http1UpstreamConnection(
            connect({ host, port, lookup, ...readOptions() }),
            'connect',
            this,
            this.#options,
          )
        : this.#openTls(host, port, tls);
    this.#all.add(connection);
    return connection;
  }

  #openTls(host: string, port: number, tls: ConnectionOptions): Http1UpstreamConnection {
    const session = this.#tlsSession;
    const socket = connectTls({
      host,
      port,
      lookup: this.#target.names.lookup,
      ...tls,
      ...readOptions(),
      ...(session === undefined ? {} : { session }),
    });
    // The next handshake is a short one.
    socket.on('session', (fresh) => {
      this.#tlsSession = fresh;
    });
    return new Http1UpstreamConnection(socket, 'secureConnect', this, this.#options);
  }
}
