import { createServer } from 'node:tls';
import type { Socket } from 'node:net';
import type { Server, TLSSocket, TlsOptions } from 'node:tls';
import type { SessionCache } from './session-cache.ts';

/** Hears how a handshake ends: one of the two, once. */
export interface Handshake {
  /** What a TLS 1.3 client wants to resume, from its ClientHello. */
  readonly pskIdentity: Buffer | undefined;
  /** The client's certificate, if one is demanded, is accepted. */
  onSecure(socket: TLSSocket): void;
  onFailure(error: Error): void;
}

/** Begins TLS on accepted sockets, with one SecureContext for all of them. */
export interface HandshakeServer {
  /** What the socket has buffered is read first. */
  start(socket: Socket, handshake: Handshake): void;
}

const HANDSHAKE = Symbol('handshake');
type OwnServer = Server & { [HANDSHAKE]: Handshake };

const OVER: Handshake = {
  pskIdentity: undefined,
  onSecure: () => undefined,
  onFailure: () => undefined,
};

/**
 * A `tls.Server` that listens nowhere: connections are given to it with its 'connection' event, a
 * documented way that has TLS sit on the socket's native handle, as if the server had accepted it.
 * Throws what `tls.createServer` throws for bad keys and certificates.
 */
export function createHandshakeServer(
  options: TlsOptions,
  sessions: SessionCache | undefined,
): HandshakeServer {
  const server = createServer(options);
  server.on('secureConnection', function (this: Server, socket) {
    const handshake = handshakeOf(this);
    // The connection may live for days, and holds this server.
    (this as OwnServer)[HANDSHAKE] = OVER;
    handshake.onSecure(socket);
  });
  server.on('tlsClientError', function (this: Server, error) {
    handshakeOf(this).onFailure(error);
  });
  if (sessions !== undefined) keepSessions(server, sessions);
  return {
    start(socket, handshake) {
      // Events of a handshake name the new TLS socket, which nobody knows before. They are emitted on
      // the server that the connection was given to, so each connection gets a server of its own that
      // inherits everything.
      const own = Object.create(server) as OwnServer;
      own[HANDSHAKE] = handshake;
      own.emit('connection', socket);
    },
  };
}

function handshakeOf(server: Server): Handshake {
  return (server as OwnServer)[HANDSHAKE];
}

/**
 * Node asks for the session by the session id of the ClientHello, which TLS 1.3 does not use: there
 * the session is named by the first pre-shared key. OpenSSL then checks it against the handshake, and
 * that it was made with the same session id context.
 */
function keepSessions(server: Server, sessions: SessionCache): void {
  server.on('newSession', (id, session, done) => {
    sessions.put(id, session);
    done();
  });
  server.on('resumeSession', function (this: Server, id, done) {
    // `null` is what Node wants for none; its types want undefined, which it does not take.
    done(null, sessions.get(handshakeOf(this).pskIdentity ?? id) ?? (null as unknown as undefined));
  });
}
