import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '@polygate/plugin-sdk';
import { BoundedLog } from './bounded-log.ts';
import type { CertificateTable } from './certificate-table.ts';
import type { ServerCertificate } from './certificate.ts';
import { ALERT, ClientHelloReader } from './client-hello.ts';
import type { ClientHello, HelloProblem } from './client-hello.ts';
import type { Handshake } from './handshake-server.ts';
import { ClientTlsSession } from './tls-session.ts';

export interface TlsAcceptorOptions {
  /** Of the configuration that is served now; undefined before there is one. */
  readonly certificates: () => CertificateTable | undefined;
  readonly log: Logger;
  /** From the first byte waited for to the end of the handshake. */
  readonly handshakeTimeoutMs: number;
  /** Further connections are closed at once. */
  readonly handshakesPendingMax: number;
}

export interface SecureConnection {
  /** Not read yet; bytes may have arrived. */
  readonly socket: TLSSocket;
  /** `h2`, `http/1.1`, `http/1.0`; false: the client asked for none. */
  readonly alpnProtocol: string | false;
  readonly session: ClientTlsSession;
}

/** How many handshakes came to which end since the start. */
export interface HandshakeCounts {
  pending: number;
  completed: number;
  /** No certificate for the server name, or no server name. */
  unknownName: number;
  /** Not TLS, or a ClientHello that breaks the rules. */
  malformed: number;
  timedOut: number;
  /** Over `handshakesPendingMax`. */
  overLimit: number;
  /** Everything else: no common protocol, no good client certificate, clients that go away. */
  failed: number;
}

export interface TlsAcceptor {
  /**
   * Begins TLS. `socket` was accepted, and nothing has been read of it; it belongs to the acceptor
   * until `onSecure`, which is not called where the handshake fails: the socket is closed then.
   */
  accept(socket: Socket, onSecure: (secure: SecureConnection) => void): void;
  readonly counts: Readonly<HandshakeCounts>;
  /** Closes connections that are not through with their handshakes. */
  close(): void;
}

/** For the last bytes of an answer to reach a client that is still sending. */
const LINGER_MS = 1000;

/**
 * Ends TLS for clients. The ClientHello is read first, because the certificate object decides about
 * more than the certificate: Node's SNICallback could not ask for a client certificate by name. Then
 * everything is handed to OpenSSL, which sits on the native socket: no byte after the hello passes
 * through here. Sources: ssl_client_hello_phase and ssl_phase of apisix/init.lua.
 */
export function createTlsAcceptor(options: TlsAcceptorOptions): TlsAcceptor {
  const surroundings: Surroundings = {
    options,
    log: new BoundedLog(options.log),
    pending: new Set(),
    counts: {
      pending: 0,
      completed: 0,
      unknownName: 0,
      malformed: 0,
      timedOut: 0,
      overLimit: 0,
      failed: 0,
    },
  };
  const { counts, pending } = surroundings;
  return {
    counts,
    accept(socket, onSecure) {
      if (counts.pending < options.handshakesPendingMax) {
        new PendingHandshake(socket, onSecure, surroundings).begin();
        return;
      }
      counts.overLimit += 1;
      socket.on('error', ignore);
      socket.destroy();
    },
    close() {
      for (const handshake of pending) handshake.abort();
    },
  };
}

interface Surroundings {
  readonly options: TlsAcceptorOptions;
  readonly log: BoundedLog;
  readonly counts: HandshakeCounts;
  readonly pending: Set<PendingHandshake>;
}

type Ending = Exclude<keyof HandshakeCounts, 'pending' | 'overLimit'>;

/** One connection until its handshake has come to an end. */
class PendingHandshake implements Handshake {
  pskIdentity: Buffer | undefined;
  readonly #socket: Socket;
  readonly #deliver: (secure: SecureConnection) => void;
  readonly #around: Surroundings;
  readonly #reader = new ClientHelloReader();
  readonly #timer: NodeJS.Timeout;
  #isOver = false;
  #hello: ClientHello | undefined;
  #serverName = '';
  #certificate: ServerCertificate | undefined;

  constructor(
    socket: Socket,
    deliver: (secure: SecureConnection) => void,
    surroundings: Surroundings,
  ) {
    this.#socket = socket;
    this.#deliver = deliver;
    this.#around = surroundings;
    this.#timer = setTimeout(() => {
      this.#end('timedOut', 'info', 'client timed out in the TLS handshake');
      this.#socket.destroy();
    }, surroundings.options.handshakeTimeoutMs);
  }

  begin(): void {
    this.#around.pending.add(this);
    this.#around.counts.pending += 1;
    this.#socket.on('error', ignore);
    this.#socket.on('data', this.#onData);
    this.#socket.on('end', this.#onEarlyEnd);
    this.#socket.once('close', this.#onClose);
    this.#socket.resume();
  }

  abort(): void {
    this.#end('failed');
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    const outcome = this.#reader.push(chunk);
    if (outcome.kind === 'incomplete') return;
    this.#socket.off('data', this.#onData);
    this.#socket.off('end', this.#onEarlyEnd);
    if (outcome.kind === 'refused') this.#refuseHello(outcome.problem);
    else this.#choose(outcome.hello);
  };

  readonly #onEarlyEnd = (): void => {
    this.#end('failed', 'info', 'client closed the connection before its ClientHello was complete');
    this.#socket.destroy();
  };

  readonly #onClose = (): void => {
    this.#end('failed', 'info', 'client closed the connection in the TLS handshake');
  };

  #refuseHello({ alert, reason }: HelloProblem): void {
    this.#end('malformed', 'info', `no TLS handshake: ${reason}`);
    if (alert !== undefined) this.#answer(alertRecord(alert));
    else if (isHttp(this.#reader.bytes)) this.#answer(HTTP_TO_HTTPS_PORT);
    else this.#socket.destroy();
  }

  #choose(hello: ClientHello): void {
    const table = this.#around.options.certificates();
    const name = table?.serverNameFor(hello.serverName);
    if (name === undefined) {
      this.#end('unknownName', 'error', NO_NAME);
      this.#answer(alertRecord(ALERT.missingExtension));
      return;
    }
    const certificate = table?.find(name);
    if (certificate === undefined) {
      this.#end('unknownName', 'error', `failed to match any SSL certificate by SNI: ${name}`);
      this.#answer(alertRecord(ALERT.unrecognizedName));
      return;
    }
    this.#hello = hello;
    this.#serverName = name;
    this.#certificate = certificate;
    this.pskIdentity = hello.pskIdentity;
    this.#socket.pause();
    this.#socket.unshift(this.#reader.bytes);
    certificate.handshakes.start(this.#socket, this);
  }

  onSecure(socket: TLSSocket): void {
    const certificate = this.#certificate as ServerCertificate;
    if (this.#isOver) {
      socket.destroy();
      return;
    }
    const session = new ClientTlsSession(socket, {
      serverName: this.#serverName,
      sentName: this.#hello?.serverName,
      certificate,
      certificates: this.#around.options.certificates,
    });
    const { clients } = certificate;
    if (
      clients !== undefined &&
      clients.openPaths === undefined &&
      session.clientVerify !== 'SUCCESS'
    ) {
      const reason = `client certificate verification is not passed: ${session.clientVerify}`;
      this.#end('failed', 'error', reason);
      socket.on('error', ignore);
      socket.destroy();
      return;
    }
    this.#end('completed');
    this.#socket.off('close', this.#onClose);
    this.#deliver({ socket, alpnProtocol: socket.alpnProtocol || false, session });
  }

  onFailure(error: Error): void {
    this.#end('failed', 'info', `TLS handshake failed: ${textOf(error)}, SNI: ${this.#serverName}`);
    // Node closes the socket by itself, once the alert is written.
    this.#destroyLater();
  }

  /** Only the first ending counts. */
  #end(ending: Ending, level?: 'info' | 'error', text?: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    const { counts, pending, log } = this.#around;
    pending.delete(this);
    counts.pending -= 1;
    counts[ending] += 1;
    if (level !== undefined && text !== undefined) log.say(level, text);
  }

  /**
   * The last thing this client hears. Goes on reading for a while: unread bytes would make the kernel
   * reset the connection, and the client lose the answer.
   */
  #answer(bytes: Buffer): void {
    const socket = this.#socket;
    socket.once('end', () => socket.destroySoon());
    socket.end(bytes);
    socket.resume();
    this.#destroyLater();
  }

  #destroyLater(): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(timer));
  }
}

const NO_NAME =
  'failed to find SNI: please check if the client requests via IP or uses an outdated protocol.';

function ignore(): void {
  // 'close' follows, and is what counts.
}

/** A fatal alert before any key is agreed on (RFC 8446, 6). */
function alertRecord(alert: number): Buffer {
  return Buffer.from([21, 3, 3, 0, 2, 2, alert]);
}

/** OpenSSL's own words, without the place in its source. */
function textOf(error: Error): string {
  const { code, reason } = error as NodeJS.ErrnoException & { reason?: unknown };
  return typeof reason === 'string' ? reason : (code ?? error.message);
}

/** An upper-case letter, as methods begin. */
function isHttp(bytes: Buffer): boolean {
  const first = bytes[0] ?? 0;
  return first >= 0x41 && first <= 0x5a;
}

const HTTP_TO_HTTPS_BODY =
  '<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n' +
  '<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n' +
  '<center>The plain HTTP request was sent to HTTPS port</center>\r\n</body>\r\n</html>\r\n';

/** As nginx answers (its status 497 goes out as 400). */
const HTTP_TO_HTTPS_PORT = Buffer.from(
  'HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n' +
    `Content-Length: ${HTTP_TO_HTTPS_BODY.length}\r\nConnection: close\r\n\r\n${HTTP_TO_HTTPS_BODY}`,
);
