import type { Socket } from 'node:net';
import { GatewayError, type GatewayErrorCode, type Peer } from '@polygate/plugin-sdk';
import { RequestHeadParser } from '../http1/head-parser.ts';
import { Http1Error } from '../http1/http1-error.ts';
import type { TlsSession } from '../request/exchange.ts';
import {
  countConnection,
  pauseReading,
  peersOf,
  readAccepted,
  releaseSocket,
  resumeReading,
} from '../sockets/byte-socket.ts';
import type { ByteReceiver } from '../sockets/byte-socket.ts';
import { SocketWriter } from '../sockets/socket-writer.ts';
import type { ClientTunnel, TunnelledConnection } from './client-tunnel.ts';
import { Http1Clock } from './http1-clock.ts';
import type { ClockedConnection, Phase } from './http1-clock.ts';
import { Http1Exchange } from './http1-exchange.ts';
import type { Http1Options } from './http1-options.ts';
import { Http1RequestBody, NO_BODY } from './http1-request-body.ts';
import { refusalText } from './refusal.ts';

/** That much is read of what a client sends behind its last request, or in vain. */
const LINGER_BYTES_MAX = 256 * 1024;
const HTTP2_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\n');
const EMPTY = Buffer.alloc(0);

/** A client's connection that speaks HTTP/1: heads in, exchanges out, one at a time. */
export class Http1Connection implements ByteReceiver, ClockedConnection, TunnelledConnection {
  readonly options: Http1Options;
  readonly tls: TlsSession | undefined;
  readonly client: Peer;
  readonly server: Peer;
  readonly writer: SocketWriter;
  /** No further request will be read. */
  isLast = false;
  /** Another protocol's server has the socket now. */
  isHandedOver = false;
  readonly #socket: Socket;
  readonly #parser: RequestHeadParser;
  readonly #clock: Http1Clock;
  readonly #onGone: (connection: Http1Connection) => void;
  #exchange: Http1Exchange | undefined = undefined;
  #body: Http1RequestBody | undefined = undefined;
  #tunnel: ClientTunnel | undefined = undefined;
  /** Read, but nobody's turn yet: of a body that nobody takes, or of the next request. */
  #held: Buffer = EMPTY;
  #isReadingPaused = false;
  #isOwned = false;
  #isProcessing = false;
  #isHalfClosed = false;
  #isClosing = false;
  #isClosed = false;
  #lingerBytes = 0;
  readonly counted = countConnection();

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
    ({ client: this.client, server: this.server } = peersOf(accepted));
    this.#parser = new RequestHeadParser(options.headLimits);
    this.#socket = readAccepted(accepted, this);
    this.writer = new SocketWriter(this.#socket, () => this.#onDrained());
    this.#clock = new Http1Clock(this, this.#socket, this.writer, options);
    resumeReading(this.#socket);
  }

  /** Nothing asked, and everything answered has left the process. */
  get isIdle(): boolean {
    return this.phase === 'idle' && this.#socket.writableLength === 0;
  }

  get phase(): Phase {
    if (this.#isClosing) return 'closing';
    const body = this.#body;
    if (this.#exchange !== undefined) return body?.isAwaited === true ? 'body' : 'answer';
    if (body !== undefined) return 'dropping';
    return this.#parser.hasBegun ? 'head' : 'idle';
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
    this.#clock.live();
  }

  /** Takes some of the bytes; returns the offset behind them. */
  #step(buffer: Buffer, position: number, end: number): number {
    if (this.#isClosing) return this.#linger(position, end);
    if (this.#tunnel !== undefined) {
      if (!this.#tunnel.onBytes(buffer.subarray(position, end))) this.#pause();
      return end;
    }
    const body = this.#body;
    if (this.#exchange === undefined && body === undefined) {
      // Who does not take the answers is asked for no further requests: they would pile up.
      if (this.writer.isFull) {
        this.#clock.blocked();
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
      if (isFresh && parser.hasBegun) this.#clock.headBegun();
      return end;
    }
    if (parser.isHttp2Preface) return this.#handOver(buffer, next, end);
    return this.#begin(buffer, next, end);
  }

  /** A head is complete: its exchange begins. */
  #begin(buffer: Buffer, start: number, end: number): number {
    const { options } = this;
    const parser = this.#parser;
    this.counted.requests += 1;
    this.#clock.requestBegun();
    const { contentLength, isChunked } = parser;
    let next = start;
    let body: Http1RequestBody | undefined;
    if (isChunked || contentLength >= 0) {
      const length = isChunked ? undefined : contentLength;
      body = new Http1RequestBody(this, length, options.bodyBytesMax);
      next = body.takeWhole(buffer, start, end);
    }
    const isFull = this.counted.requests >= options.keepaliveRequestsMax;
    const keepAlive = parser.keepAlive && !this.isLast && !isFull && options.timeoutsMs.idle > 0;
    const exchange = new Http1Exchange(this, parser, body ?? NO_BODY, keepAlive);
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
    this.#failBody('REQUEST_MALFORMED', error.message);
    this.#isClosing = true;
  }

  #failBody(code: GatewayErrorCode, text: string): void {
    this.isLast = true;
    if (this.#exchange !== undefined) this.#exchange.keepAlive = false;
    this.#body?.fail(new GatewayError(code, text));
  }

  /** Somebody takes the body, or takes it again. */
  bodyWanted(): void {
    this.#exchange?.allowBody();
    if (!this.#isProcessing) this.goOn();
  }

  #pause(): void {
    if (this.#isReadingPaused) return;
    this.#isReadingPaused = true;
    pauseReading(this.#socket);
  }

  /** Works off what was held, then reads on. */
  goOn(): void {
    const held = this.#held;
    const wasPaused = this.#isReadingPaused;
    this.#isReadingPaused = false;
    if (held.length > 0) {
      this.#processOwned(held);
    } else {
      this.#clock.live();
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
    this.#clock.requestEnded();
    const body = this.#body;
    if (!exchange.keepAlive) {
      this.#close();
      return;
    }
    if (body !== undefined && !body.isRead) {
      // The client is still sending what nobody wants: a little of that is cheaper than a connection.
      body.drop();
      this.#clock.lingers();
    } else {
      this.#body = undefined;
    }
    if (this.#isProcessing) return;
    // One that is here already begins after this one's log phase, where limit-conn gives places back.
    if (this.#held.length > 0) queueMicrotask(() => this.goOn());
    else this.goOn();
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

  startTunnel(tunnel: ClientTunnel): void {
    this.#tunnel = tunnel;
    this.#clock.tunnelBegun();
    if (!this.#isProcessing) this.goOn();
  }

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
      this.#clock.lingers();
    } else {
      this.#socket.end(() => this.#clock.lingers());
      this.#clock.blocked();
    }
    if (this.#isReadingPaused) {
      this.#isReadingPaused = false;
      resumeReading(this.#socket);
    }
  }

  #handOver(buffer: Buffer, start: number, end: number): number {
    const { onHttp2 } = this.options;
    if (onHttp2 === undefined || this.tls !== undefined || this.counted.requests > 0) {
      this.#refuse(505, 'HTTP/2 is not served here');
      return end;
    }
    // The parser has taken the preface; whoever goes on needs to see it.
    const unread = Buffer.concat([HTTP2_PREFACE, buffer.subarray(start, end)]);
    this.#isClosed = true;
    this.isHandedOver = true;
    this.#clock.stop();
    const socket = releaseSocket(this.#socket);
    socket.unshift(unread);
    this.#onGone(this);
    onHttp2(socket);
    return end;
  }

  // ---- time and ends

  tooSlow(phase: 'head' | 'body'): void {
    if (phase === 'head') this.#refuse(408, 'the request head took too long');
    else this.#failBody('REQUEST_BODY_TIMEOUT', 'the request body took too long');
  }

  #onDrained(): void {
    if (this.#isClosed) return;
    this.#clock.live();
    if (this.#tunnel !== undefined) this.#tunnel.drained();
    else if (this.#exchange !== undefined) this.#exchange.clientDrained();
    else if (this.#held.length > 0) this.goOn();
  }

  /** To be called by an exchange whose chunk was not taken. */
  blocked(): void {
    this.#clock.blocked();
  }

  onEnd(): void {
    this.#isHalfClosed = true;
    if (this.#held.length === 0) this.#onLastByte();
  }

  #onLastByte(): void {
    this.isLast = true;
    if (this.#tunnel !== undefined) {
      this.#tunnel.onEnd();
      return;
    }
    const exchange = this.#exchange;
    if (exchange === undefined || this.#body?.isRead === false) {
      this.destroy();
      return;
    }
    if (exchange.keepAlive) this.#clock.suspectGone();
    exchange.keepAlive = false;
    this.#clock.live();
  }

  onClose(cause: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#held = EMPTY;
    this.#clock.stop();
    const error = new GatewayError('REQUEST_ABORTED', 'the client went away', { cause });
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#tunnel?.onClose(error);
    // Before the body fails: that is no failure of the request then, and nobody answers it.
    exchange?.clientGone();
    this.#body?.fail(error);
    this.#onGone(this);
  }
}
