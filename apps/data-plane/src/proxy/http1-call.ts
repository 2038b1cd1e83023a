import { HeaderList } from '@polygate/plugin-sdk';
import type { GatewayError } from '@polygate/plugin-sdk';
import { requestHeadText, trailersText } from '../http1/write-head.ts';
import type { BodySink } from '../request/exchange.ts';
import type { Http1UpstreamConnection } from './http1-upstream-connection.ts';
import type { UpstreamCall, UpstreamReceiver, UpstreamRequest } from './upstream-transport.ts';

/** One request on one connection. Outlives neither: what comes too late finds it detached. */
export class Http1Call implements UpstreamCall, BodySink {
  readonly request: UpstreamRequest;
  readonly receiver: UpstreamReceiver;
  isHeadReceived = false;
  /** Head and body are written. */
  isRequestSent = false;
  connectTimeMs: number | undefined = undefined;
  #connection: Http1UpstreamConnection | undefined;
  #connectStartMs = 0;
  /** Less what the connection has counted so far, as long as it is ours. */
  #bytesSent: number;
  #bytesReceived: number;
  #isBodyTaken = false;
  #isChunked = false;

  constructor(
    request: UpstreamRequest,
    receiver: UpstreamReceiver,
    connection: Http1UpstreamConnection,
  ) {
    this.request = request;
    this.receiver = receiver;
    this.#connection = connection;
    this.#bytesSent = -connection.writer.bytesWritten;
    this.#bytesReceived = -connection.bytesReceived;
  }

  get remoteAddress(): string | undefined {
    return this.#connection?.remoteAddress;
  }

  get bytesSent(): number {
    return this.#bytesSent + (this.#connection?.writer.bytesWritten ?? 0);
  }

  get bytesReceived(): number {
    return this.#bytesReceived + (this.#connection?.bytesReceived ?? 0);
  }

  /** From the connection, before it is there. */
  connecting(): void {
    this.#connectStartMs = performance.now();
  }

  /** From the connection, once it is there. */
  sendRequest(): void {
    const startMs = this.#connectStartMs;
    this.connectTimeMs = startMs === 0 ? 0 : performance.now() - startMs;
    const connection = this.#connection as Http1UpstreamConnection;
    const { method, target, host, headers, upgrade, closes, body } = this.request;
    const length = Buffer.isBuffer(body) ? body.length : body?.length;
    this.#isChunked = body !== undefined && length === undefined;
    const framing = body === undefined ? 'none' : this.#isChunked ? 'chunked' : 'length';
    const { writer } = connection;
    writer.writeText(
      requestHeadText({
        method,
        target,
        host,
        headers,
        framing,
        contentLength: length ?? 0,
        keepAlive: closes !== true,
        upgrade,
      }),
    );
    if (body === undefined) {
      this.isRequestSent = true;
      writer.flush();
    } else if (Buffer.isBuffer(body)) {
      this.isRequestSent = true;
      const isTaken = body.length === 0 || writer.writeBytes(body);
      writer.flush();
      if (!isTaken) connection.blocked(this);
    } else {
      this.#isBodyTaken = true;
      connection.deadlineMs = Infinity;
      body.stream(this);
    }
  }

  // ---- the request's body

  write(chunk: Buffer): boolean {
    const connection = this.#connection;
    // The node answered early, or is gone: the rest is read and dropped.
    if (connection === undefined) return true;
    const { writer } = connection;
    if (this.#isChunked) writer.writeText(`${chunk.length.toString(16)}\r\n`);
    const isTaken = writer.writeBytes(chunk);
    if (this.#isChunked) writer.writeText('\r\n');
    if (!isTaken) connection.blocked(this);
    return isTaken;
  }

  end(trailers?: HeaderList): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    if (this.#isChunked) {
      const sent = trailers === undefined ? undefined : this.#unlikeHeaders(trailers);
      connection.writer.writeText(`0\r\n${trailersText(sent)}`);
    }
    connection.writer.flush();
    this.isRequestSent = true;
    if (!connection.writer.isBlocked) connection.limit(this.request.timeoutsMs.read);
  }

  /** A node that takes trailers for headers must not have ours overwritten by the client's. */
  #unlikeHeaders(trailers: HeaderList): HeaderList {
    const { headers } = this.request;
    const kept = new HeaderList();
    trailers.forEach((name, value, lower) => {
      if (!headers.has(lower)) kept.appendKnown(name, lower, value);
    });
    return kept;
  }

  fail(error: Error): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    connection.abandon(this);
    this.#tell(error, false, false);
  }

  /** From the connection: it takes more. */
  drained(): void {
    const { body } = this.request;
    if (this.#isBodyTaken && body !== undefined && !Buffer.isBuffer(body)) body.resume();
  }

  // ---- ends

  resume(): void {
    this.#connection?.resume(this);
  }

  cancel(): void {
    this.#connection?.abandon(this);
  }

  /** From the connection: nothing more comes of it. */
  detach(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#bytesSent += connection.writer.bytesWritten;
    this.#bytesReceived += connection.bytesReceived;
    this.#connection = undefined;
  }

  failed(error: GatewayError, wasConnected: boolean, connection: Http1UpstreamConnection): void {
    const isStale = wasConnected && connection.isReused && this.bytesReceived === 0;
    this.#tell(error, !wasConnected, isStale && error.code === 'UPSTREAM_PROTOCOL');
  }

  #tell(error: Error, neverSent: boolean, stale: boolean): void {
    if (this.isHeadReceived) this.receiver.onCut(error);
    else {
      const bodyUntouched = !this.#isBodyTaken;
      this.receiver.onFailure({ error, bodyUntouched, neverSent, stale });
    }
  }
}
