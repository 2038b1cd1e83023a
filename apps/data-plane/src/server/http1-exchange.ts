import { GatewayError } from '@polygate/plugin-sdk';
import type { HeaderList, Peer } from '@polygate/plugin-sdk';
import type { RequestHeadParser } from '../http1/head-parser.ts';
import { responseHeadText, trailersText } from '../http1/write-head.ts';
import type { Framing } from '../http1/write-head.ts';
import type {
  ClientConnection,
  Exchange,
  ExchangeListener,
  RequestBody,
  TlsSession,
  Tunnel,
} from '../request/exchange.ts';
import { ClientTunnel } from './client-tunnel.ts';
import type { Http1Connection } from './http1-connection.ts';
import { httpDate } from './http-date.ts';
import { statusText } from './local-answer.ts';

const LAST_CHUNK = '0\r\n';

/** One request of an HTTP/1 connection. */
export class Http1Exchange implements Exchange {
  readonly method: string;
  readonly target: string;
  readonly httpVersion: '1.0' | '1.1';
  readonly headers: HeaderList;
  readonly body: RequestBody;
  readonly upgrade: string | undefined;
  /** The client waits for leave to send its body. */
  expectsContinue: boolean;
  /** Whether the connection goes on after this answer. */
  keepAlive: boolean;
  isHeadSent = false;
  readonly #connection: Http1Connection;
  readonly #headBytes: number;
  readonly #bytesBefore: number;
  #listener: ExchangeListener | undefined = undefined;
  #framing: Framing = 'none';
  /** Of a body by length: bytes still to come. */
  #bytesLeft = 0;
  #isEnded = false;

  constructor(
    connection: Http1Connection,
    parser: RequestHeadParser,
    body: RequestBody,
    keepAlive: boolean,
  ) {
    this.#connection = connection;
    this.method = parser.method;
    this.target = parser.target;
    this.httpVersion = parser.minorVersion === 0 ? '1.0' : '1.1';
    this.headers = parser.headers;
    this.upgrade = parser.upgrade;
    this.expectsContinue = parser.expectsContinue && body.complete === undefined;
    this.#headBytes = parser.headBytes;
    this.#bytesBefore = connection.writer.bytesWritten;
    this.body = body;
    this.keepAlive = keepAlive;
  }

  get scheme(): 'http' | 'https' {
    return this.#connection.tls === undefined ? 'http' : 'https';
  }

  get client(): Peer {
    return this.#connection.client;
  }

  get server(): Peer {
    return this.#connection.server;
  }

  get connection(): ClientConnection {
    return this.#connection.counted;
  }

  get tls(): TlsSession | undefined {
    return this.#connection.tls;
  }

  get bytesSent(): number {
    return this.#connection.writer.bytesWritten - this.#bytesBefore;
  }

  get bytesReceived(): number {
    const { body } = this;
    return this.#headBytes + ((body as { bytesRead?: number }).bytesRead ?? 0);
  }

  listen(listener: ExchangeListener): void {
    this.#listener = listener;
  }

  /** From the connection: somebody wants the body. */
  allowBody(): void {
    if (!this.expectsContinue) return;
    this.expectsContinue = false;
    if (this.isHeadSent) return;
    const { writer } = this.#connection;
    writer.writeText('HTTP/1.1 100 Continue\r\n\r\n');
    writer.flush();
  }

  sendInformational(status: number, headers: HeaderList): void {
    if (this.httpVersion === '1.0' || this.isHeadSent || this.#isEnded) return;
    const { writer } = this.#connection;
    writer.writeText(this.#head(status, headers, 'none', 0));
    writer.flush();
  }

  sendHead(status: number, headers: HeaderList, bodiless = false): void {
    if (this.isHeadSent || this.#isEnded) return;
    // The client may send the body that it has not been asked for, or not: nothing can follow.
    if (this.expectsContinue) this.keepAlive = false;
    if (this.#connection.isLast) this.keepAlive = false;
    const length = headers.getKnown('content-length');
    let text: string;
    if (status === 101) {
      this.keepAlive = false;
      text = this.#head(status, headers, 'none', 0);
    } else if (bodiless || this.method === 'HEAD' || status === 204 || status === 304) {
      const tellsLength = length !== undefined && status !== 204;
      text = this.#head(status, headers, tellsLength ? 'length' : 'none', Number(length ?? 0));
    } else if (length !== undefined) {
      this.#framing = 'length';
      this.#bytesLeft = Number(length);
      text = this.#head(status, headers, 'length', this.#bytesLeft);
    } else {
      this.#framing = this.httpVersion === '1.1' ? 'chunked' : 'close';
      if (this.#framing === 'close') this.keepAlive = false;
      text = this.#head(status, headers, this.#framing, 0);
    }
    this.isHeadSent = true;
    this.#connection.writer.writeText(text);
  }

  #head(status: number, headers: HeaderList, framing: Framing, contentLength: number): string {
    return responseHeadText({
      status,
      reason: statusText(status),
      headers,
      framing,
      contentLength,
      keepAlive: this.keepAlive,
      upgrade: status === 101 ? this.upgrade : undefined,
      date: status < 200 ? undefined : httpDate(),
    });
  }

  sendChunk(chunk: Buffer): boolean {
    const { length } = chunk;
    if (length === 0 || this.#isEnded || this.#framing === 'none') return true;
    const { writer } = this.#connection;
    let isTaken: boolean;
    if (this.#framing === 'chunked') {
      writer.writeText(`${length.toString(16)}\r\n`);
      isTaken = writer.writeBytes(chunk);
      writer.writeText('\r\n');
    } else {
      if (this.#framing === 'length') {
        this.#bytesLeft -= length;
        if (this.#bytesLeft < 0) throw this.#lengthError('longer');
      }
      isTaken = writer.writeBytes(chunk);
    }
    if (!isTaken) this.#connection.blocked();
    return isTaken;
  }

  end(trailers?: HeaderList): void {
    if (this.#isEnded) return;
    if (this.#framing === 'length' && this.#bytesLeft > 0) throw this.#lengthError('shorter');
    this.#isEnded = true;
    if (this.#framing === 'chunked') {
      this.#connection.writer.writeText(LAST_CHUNK + trailersText(trailers));
    }
    this.#connection.exchangeEnded(this);
  }

  #lengthError(how: string): GatewayError {
    return new GatewayError('RESPONSE_MALFORMED', `the body is ${how} than its Content-Length`);
  }

  openTunnel(): Tunnel {
    return new ClientTunnel(this.#connection);
  }

  destroy(): void {
    this.#isEnded = true;
    this.#connection.destroy();
  }

  /** From the connection. */
  clientDrained(): void {
    this.#listener?.onClientDrained();
  }

  /** From the connection. */
  clientGone(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#listener?.onClientGone();
  }
}
