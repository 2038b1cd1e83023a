import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { TlsSession } from '../request/exchange.ts';
import type { CertificateTable } from './certificate-table.ts';
import type { ServerCertificate } from './certificate.ts';
import { verificationOf } from './client-verification.ts';

export interface SessionOrigin {
  /** What was looked up: from SNI or the fallback; in lower case. */
  readonly serverName: string;
  /** From SNI as sent. */
  readonly sentName: string | undefined;
  readonly certificate: ServerCertificate;
  /** The table of today. */
  readonly certificates: () => CertificateTable | undefined;
}

/** A client's TLS connection. Holds no socket: it may be asked after the connection has gone. */
export class ClientTlsSession implements TlsSession {
  /** In lower case, without a final dot; undefined when the client sent none. */
  readonly serverName: string | undefined;
  readonly protocol: string;
  readonly cipher: string;
  readonly isResumed: boolean;
  readonly clientVerify: string;
  readonly origin: SessionOrigin;
  readonly #clientCertificate: X509Certificate | undefined;

  /** `socket`: right after its handshake. */
  constructor(socket: TLSSocket, origin: SessionOrigin) {
    this.origin = origin;
    this.serverName = origin.sentName === undefined ? undefined : origin.serverName;
    this.protocol = socket.getProtocol() ?? '';
    this.cipher = socket.getCipher().name;
    this.isResumed = socket.isSessionReused();
    const { clients } = origin.certificate;
    this.#clientCertificate = clients && socket.getPeerX509Certificate();
    this.clientVerify =
      clients === undefined || this.#clientCertificate === undefined
        ? 'NONE'
        : verificationOf(socket, this.#clientCertificate, clients);
  }

  clientCertificate(): X509Certificate | undefined {
    return this.#clientCertificate;
  }
}
