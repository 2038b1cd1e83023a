import type { Socket } from 'node:net';
import { GatewayError } from '@polygate/plugin-sdk';
import type { Peer } from '@polygate/plugin-sdk';
import { RequestHeadParser } from '../http1/head-parser.ts';
import { Http1Error } from '../http1/http1-error.ts';
import type { BodySink, TlsSession } from '../request/exchange.ts';
import {
  pauseReading,
  readAccepted,
  releaseSocket,
  resumeReading,
} from '../sockets/byte-socket.ts';
import type { ByteReceiver } from '../sockets/byte-socket.ts';
import type { Expiring } from '../sockets/deadlines.ts';
import { SocketWriter } from '../sockets/socket-writer.ts';
import { Http1Exchange } from './http1-exchange.ts';
import type { Http1Options } from './http1-options.ts';
import { Http1RequestBody, NO_BODY } from './http1-request-body.ts';
import { refusalText } from './refusal.ts';

/** A client that has got its last answer may still be sending; that long and that much is read. */
const LINGER_MS = 2000;
const LINGER_BYTES_MAX = 256 * 1024;
/**
 * A client that says it sends no more, in the middle of a request, has mostly gone away altogether:
 * TCP cannot tell. One that half-closed gets what can be answered within this time.
 */
const HALF_CLOSED_MS = 1000;

const EMPTY = Buffer.alloc(0);

/** A client's connection that speaks HTTP/1: heads in, exchanges out, one at a time. */
export class Http1Connection implements ByteReceiver, Expiring {
  readonly options: Http1Options;
  readonly tls: TlsSession | undefined;
  readonly client: Peer;
  readonly server: Peer;
  readonly writer: SocketWriter;
  deadlineMs = Infinity;
  /** No further request will be read. */
  isLast = false;
  /** Another protocol's server has the socket now. */
  isHandedOver = false;
  readonly #socket: Socket;
  readonly #parser: RequestHeadParser;
  readonly #onGone: (connection: Http1Connection) => void;
  #exchange: Http1Exchange | undefined = undefined;
  #body: Http1RequestBody | undefined = undefined;
  #tunnelSink: BodySink | undefined = undefined;
  /** Read, but nobody's turn yet: of a body that nobody takes, or of the next request. */
  #held: Buffer = EMPTY;
  #isReadingPaused = false;
  #isOwned = false;
  #isProcessing = false;
  #isHalfClosed = false;
  /** Half-closed although it never said that it would be the last request. */
  #isSuspect = false;
  #isClosing = false;
  #isClosed = false;
  #suspectBytes = 0;
  #lingerBytes = 0;
  #unsentBytes = 0;
  #requests = 0;
  #totalDeadlineMs = Infinity;

  /** `accepted` is paused and unread. `onGone` is called once, when the connection is closed. */
  constructor(
    accepted: Socket,
    tls: TlsSession | undefined,
    options: Http1Options,
    onGone: (connection: Http1Connection) => void,
  ) {
    this.options = options;
    this.tls = tls;
    this.#onGone = onGone;
    this.client = peerOf(accepted.remoteAddress, accepted.remotePort);
    this.server = peerOf(accepted.localAddress, accepted.localPort);
    this.#parser = new RequestHeadParser(options.headLimits);
    this.#socket = readAccepted(accepted, this);
    this.writer = new SocketWriter(this.#socket, () => this.#onDrained());
    this.#limit(options.timeoutsMs.header);
    options.deadlines.add(this);
    resumeReading(this.#socket);
  }

  /** Nothing asked, and everything answered has left the process. */
  get isIdle(): boolean {
    return (
      this.#exchange === undefined &&
      !this.#parser.hasBegun &&
      !this.#isClosing &&
      this.#socket.writableLength === 0
    );
  }

  // ---- bytes in

  onBytes(buffer: Buffer, length: number): boolean {
    if (this.#held.length > 0) {
      // Only where a paused stream had more in store.
      this.#processOwned(Buffer.concat([this.#held, buffer.subarray(0, length)]));
    } else {
      this.#process(buffer, 0, length);
    }
    return !this.#isReadingPaused;
  }

  /** Of memory that nobody else will write to. */
  #processOwned(bytes: Buffer): void {
    this.#held = EMPTY;
    this.#isOwned = true;
    this.#process(bytes, 0, bytes.length);
    this.#isOwned = false;
  }

  #process(buffer: Buffer, start: number, end: number): void {
    this.#isProcessing = true;
    try {
      let position = start;
      while (position < end && !this.#isClosed) position = this.#step(buffer, position, end);
    } catch (error) {
      this.#onBadBytes(error);
    }
    this.#isProcessing = false;
    this.#setDeadline();
  }

  /** Takes some of the bytes; returns the offset behind them. */
  #step(buffer: Buffer, position: number, end: number): number {
    if (this.#isClosing) return this.#linger(position, end);
    if (this.#tunnelSink !== undefined) return this.#feedTunnel(buffer, position, end);
    const body = this.#body;
    if (this.#exchange === undefined && body === undefined) {
      // Who does not take the answers is asked for no further requests: they would pile up.
      if (this.writer.isFull) {
        this.blocked();
        return this.#hold(buffer, position, end);
      }
      return this.#feedHead(buffer, position, end);
    }
    if (body === undefined || body.isRead || !body.isFlowing) {
      return this.#hold(buffer, position, end);
    }
    const next = body.feed(buffer, position, end);
    if (this.#exchange === undefined) this.#afterDropped(body, next - position);
    return next;
  }

  #feedHead(buffer: Buffer, position: number, end: number): number {
    const parser = this.#parser;
    const isFresh = !parser.hasBegun;
    const next = parser.parse(buffer, position, end);
    if (next === -1) {
      if (isFresh && parser.hasBegun) this.#limit(this.options.timeoutsMs.header);
      return end;
    }
    if (parser.isHttp2Preface) return this.#handOver(buffer, next, end);
    return this.#begin(buffer, next, end);
  }

  /** A head is complete: its exchange begins. */
  #begin(buffer: Buffer, start: number, end: number): number {
    const { options } = this;
    const parser = this.#parser;
    this.#requests += 1;
    this.deadlineMs = Infinity;
    const { total } = options.timeoutsMs;
    this.#totalDeadlineMs = options.deadlines.nowMs + total;
    const { contentLength, isChunked } = parser;
    let next = start;
    let body: Http1RequestBody | undefined;
    if (isChunked || contentLength >= 0) {
      const length = isChunked ? undefined : contentLength;
      body = new Http1RequestBody(this, length, options.bodyBytesMax);
      if (length !== undefined && end - start >= length && length <= options.bodyBytesMax) {
        body.complete = Buffer.from(buffer.subarray(start, start + length));
        body.bytesRead = length;
        body.isRead = true;
        next += length;
      }
    }
    const isLast =
      this.isLast ||
      !parser.keepAlive ||
      options.timeoutsMs.idle === 0 ||
      this.#requests >= options.keepaliveRequestsMax;
    const exchange = new Http1Exchange(this, parser, body ?? NO_BODY, !isLast);
    parser.reset();
    this.#body = body;
    this.#exchange = exchange;
    options.serve(exchange);
    return next;
  }

  #hold(buffer: Buffer, position: number, end: number): number {
    const rest = buffer.subarray(position, end);
    this.#held = this.#isOwned ? rest : Buffer.from(rest);
    this.#pause();
    return end;
  }

  #feedTunnel(buffer: Buffer, position: number, end: number): number {
    const chunk = Buffer.from(buffer.subarray(position, end));
    if (this.#tunnelSink?.write(chunk) === false) this.#pause();
    return end;
  }

  /** Past the limit the client has to stop; to close now would be a reset, which eats the answer. */
  #linger(position: number, end: number): number {
    this.#lingerBytes += end - position;
    if (this.#lingerBytes > LINGER_BYTES_MAX) this.#pause();
    return end;
  }

  #onBadBytes(error: unknown): void {
    if (!(error instanceof Http1Error)) {
      this.options.log.error(`connection of ${this.client.address} failed: ${String(error)}`);
      this.destroy();
      return;
    }
    if (this.#exchange === undefined) {
      // Of a body that is dropped, the request has had its answer: a second one would be another's.
      if (this.#body === undefined) this.#refuse(error.status, error.message);
      else this.#close();
      return;
    }
    // In the middle of a body: whoever takes it hears of it, and the connection cannot go on.
    this.isLast = true;
    this.#exchange.keepAlive = false;
    this.#body?.fail(new GatewayError('REQUEST_MALFORMED', error.message));
    this.#isClosing = true;
  }

  /** Somebody takes the body, or takes it again. */
  bodyWanted(): void {
    const exchange = this.#exchange;
    if (exchange?.expectsContinue === true) {
      exchange.expectsContinue = false;
      if (!exchange.isHeadSent) {
        this.writer.writeText('HTTP/1.1 100 Continue\r\n\r\n');
        this.writer.flush();
      }
    }
    if (!this.#isProcessing) this.#goOn();
  }

  #pause(): void {
    if (this.#isReadingPaused) return;
    this.#isReadingPaused = true;
    pauseReading(this.#socket);
  }

  /** Works off what was held, then reads on. */
  #goOn(): void {
    const held = this.#held;
    const wasPaused = this.#isReadingPaused;
    this.#isReadingPaused = false;
    if (held.length > 0) {
      this.#processOwned(held);
    } else {
      this.#setDeadline();
    }
    if (wasPaused && !this.#isReadingPaused && !this.#isClosed) resumeReading(this.#socket);
    if (this.#isHalfClosed && this.#held.length === 0) this.#onLastByte();
  }

  // ---- answers out

  /** The answer of the current exchange is written. */
  exchangeEnded(exchange: Http1Exchange): void {
    if (this.#exchange !== exchange) return;
    this.writer.flush();
    this.#exchange = undefined;
    this.#totalDeadlineMs = Infinity;
    const body = this.#body;
    if (!exchange.keepAlive) {
      this.#close();
      return;
    }
    if (body !== undefined && !body.isRead) {
      // The client is still sending what nobody wants: a little of that is cheaper than a connection.
      body.drop();
      this.#limit(LINGER_MS);
    } else {
      this.#body = undefined;
    }
    if (!this.#isProcessing) this.#goOn();
  }

  #afterDropped(body: Http1RequestBody, bytes: number): void {
    this.#lingerBytes += bytes;
    if (body.isRead) {
      this.#body = undefined;
      this.#lingerBytes = 0;
    } else if (this.#lingerBytes > LINGER_BYTES_MAX) {
      this.#close();
    }
  }

  startTunnel(sink: BodySink): void {
    this.#tunnelSink = sink;
    this.deadlineMs = Infinity;
    if (!this.#isProcessing) this.#goOn();
  }

  resumeTunnel(): void {
    this.#goOn();
  }

  /** Half of the connection: what was written gets there. */
  endWriting(): void {
    this.writer.flush();
    this.#socket.end();
  }

  /** Idle connections close now, others after their exchange. */
  drain(): void {
    this.isLast = true;
    if (this.#exchange !== undefined) this.#exchange.keepAlive = false;
    else if (this.isIdle) this.destroy();
    else if (!this.#parser.hasBegun && !this.#isClosing) this.#close();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #refuse(status: number, reason: string): void {
    this.options.onRefused({ status, reason, clientAddress: this.client.address });
    this.writer.writeText(refusalText(status, this.options.productName));
    this.#close();
  }

  /** Answered: what the client still sends is read for a while, or a reset would eat the answer. */
  #close(): void {
    this.#isClosing = true;
    this.#held = EMPTY;
    this.writer.flush();
    if (this.#socket.writableLength === 0) {
      this.#socket.end();
      this.#limit(LINGER_MS);
    } else {
      this.#socket.end(() => this.#limit(LINGER_MS));
      this.blocked();
    }
    if (this.#isReadingPaused) {
      this.#isReadingPaused = false;
      resumeReading(this.#socket);
    }
  }

  #handOver(buffer: Buffer, start: number, end: number): number {
    const { onHttp2, deadlines } = this.options;
    if (onHttp2 === undefined || this.tls !== undefined || this.#requests > 0) {
      this.#refuse(505, 'HTTP/2 is not served here');
      return end;
    }
    // The parser has taken the preface; whoever goes on needs to see it.
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\n');
    const rest = Buffer.from(buffer.subarray(start, end));
    this.#isClosed = true;
    this.isHandedOver = true;
    deadlines.delete(this);
    const socket = releaseSocket(this.#socket);
    socket.unshift(Buffer.concat([preface, rest]));
    this.#onGone(this);
    onHttp2(socket);
    return end;
  }

  // ---- time and ends

  onDeadline(): void {
    const body = this.#body;
    if (this.#socket.writableLength > 0) {
      if (this.#isTaking()) this.#limit(this.options.timeoutsMs.send);
      else this.destroy();
    } else if (this.#isClosing || (this.#exchange === undefined && !this.#parser.hasBegun)) {
      this.destroy();
    } else if (this.#exchange === undefined && body === undefined) {
      this.#refuse(408, 'the request head took too long');
    } else if (this.#exchange === undefined) {
      this.destroy();
    } else if (this.#isSuspect) {
      this.#onSuspectDeadline();
    } else if (body?.isAwaited === true) {
      this.isLast = true;
      this.#exchange.keepAlive = false;
      body.fail(new GatewayError('REQUEST_BODY_TIMEOUT', 'the request body took too long'));
    } else if (this.options.deadlines.nowMs >= this.#totalDeadlineMs) {
      this.destroy();
    }
  }

  /** What is sent to a client that is gone comes back as a reset: while something is, it is there. */
  #onSuspectDeadline(): void {
    const { bytesWritten } = this.writer;
    if (bytesWritten === this.#suspectBytes) this.destroy();
    else this.#limit(HALF_CLOSED_MS);
    this.#suspectBytes = bytesWritten;
  }

  /** Whether the client took some of what waits for it since the last look. */
  #isTaking(): boolean {
    const { _handle } = this.#socket as unknown as { _handle: { writeQueueSize?: number } | null };
    const unsent = _handle?.writeQueueSize ?? 0;
    const isTaking = unsent !== this.#unsentBytes;
    this.#unsentBytes = unsent;
    return isTaking;
  }

  #onDrained(): void {
    if (this.#isClosed) return;
    this.#setDeadline();
    if (this.#exchange !== undefined) this.#exchange.clientDrained();
    else if (this.#held.length > 0) this.#goOn();
  }

  /** To be called by an exchange whose chunk was not taken. */
  blocked(): void {
    this.#isTaking();
    this.#limit(this.options.timeoutsMs.send);
  }

  #setDeadline(): void {
    if (this.#isClosing || this.writer.isBlocked) return;
    const { timeoutsMs } = this.options;
    if (this.#exchange === undefined) {
      if (this.#body === undefined && !this.#parser.hasBegun) this.#limit(timeoutsMs.idle);
    } else if (this.#isSuspect) {
      this.#limit(HALF_CLOSED_MS);
    } else if (this.#body?.isAwaited === true) {
      this.#limit(timeoutsMs.body);
    } else {
      this.deadlineMs = this.#totalDeadlineMs;
    }
  }

  #limit(ms: number): void {
    this.deadlineMs = Math.min(this.options.deadlines.nowMs + ms, this.#totalDeadlineMs);
  }

  onEnd(): void {
    this.#isHalfClosed = true;
    if (this.#held.length === 0) this.#onLastByte();
  }

  #onLastByte(): void {
    this.isLast = true;
    if (this.#tunnelSink !== undefined) {
      this.#tunnelSink.end();
      return;
    }
    const exchange = this.#exchange;
    if (exchange === undefined) {
      this.destroy();
      return;
    }
    if (this.#body !== undefined && !this.#body.isRead) {
      this.destroy();
      return;
    }
    this.#isSuspect = exchange.keepAlive;
    this.#suspectBytes = this.writer.bytesWritten;
    exchange.keepAlive = false;
    this.#setDeadline();
  }

  onClose(cause: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#held = EMPTY;
    this.options.deadlines.delete(this);
    const error = new GatewayError('REQUEST_ABORTED', 'the client went away', { cause });
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#tunnelSink?.fail(error);
    // Before the body fails: that is no failure of the request then, and nobody answers it.
    exchange?.clientGone();
    this.#body?.fail(error);
    this.#onGone(this);
  }
}

/** Node shows IPv4 clients of a dual-stack listener as `::ffff:1.2.3.4`. */
function peerOf(address = '', port = 0): Peer {
  const isMapped = address.startsWith('::ffff:') && address.includes('.');
  return { address: isMapped ? address.slice(7) : address, port };
}
