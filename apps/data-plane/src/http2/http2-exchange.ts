import { constants } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import { GatewayError } from '@polygate/plugin-sdk';
import type { HeaderList, Peer } from '@polygate/plugin-sdk';
import type {
  ClientConnection,
  Exchange,
  ExchangeListener,
  RequestBody,
  TlsSession,
  Tunnel,
} from '../request/exchange.ts';
import type { ClientTimeoutsMs } from '../server/http1-options.ts';
import { EMPTY_BODY, Http2RequestBody, NO_BODY } from './http2-body.ts';
import type { BodyRules } from './http2-body.ts';
import type { Http2RequestHead } from './request-head.ts';
import { headerObject, responseHead } from './response-head.ts';

/** What one connection gives all of its exchanges. */
export interface ConnectionFacts {
  readonly scheme: 'http' | 'https';
  readonly client: Peer;
  readonly server: Peer;
  readonly tls: TlsSession | undefined;
  readonly connection: ClientConnection;
  readonly bodyRules: BodyRules;
  readonly timeoutsMs: ClientTimeoutsMs;
  /** The clock, up to a tick old. */
  nowMs(): number;
  /** Of the whole connection, on the wire. */
  wireBytesWritten(): number;
  /** Uncompressed bytes of messages: what the connection is for. */
  countPayload(bytes: number): void;
}

/** Up to here a chunk is copied, so that the sender may go on; beyond, it waits for the wire. */
const COPY_BYTES_MAX = 16 * 1024;
/** Less than this on the wire while a stream waits is no progress: acknowledgements of PINGs do as much. */
const PROGRESS_BYTES_MIN = 16 * 1024;
/** A stream that is served in turn has sent its chunk when the connection sent this much for each. */
const TURN_BYTES = 128 * 1024;
const FRAME_HEAD_BYTES = 9;
const BODILESS = new Set([204, 205, 304]);
const NOBODY_LISTENS: ExchangeListener = {
  onClientGone: () => undefined,
  onClientDrained: () => undefined,
};

type State =
  | 'waiting' // for the head
  | 'held' // the head, until the tick ends: it may turn out that the answer is complete
  | 'sending'
  | 'ended'
  | 'destroyed';

/** One stream of an HTTP/2 connection. */
export class Http2Exchange implements Exchange {
  readonly method: string;
  readonly target: string;
  readonly httpVersion = '2.0';
  readonly headers: HeaderList;
  readonly body: RequestBody;
  readonly upgrade = undefined;
  bytesSent = 0;
  readonly #stream: ServerHttp2Stream;
  readonly #facts: ConnectionFacts;
  readonly #headBytes: number;
  readonly #totalDeadlineMs: number;
  #listener = NOBODY_LISTENS;
  #state: State = 'waiting';
  #heldHead: string[] | undefined;
  #heldChunk: Buffer | undefined;
  #isBodiless = false;
  #takesTrailers = false;
  #bytesLeft: number | undefined;
  #trailers: HeaderList | undefined;
  #isBlocked = false;
  #sendDeadlineMs = Infinity;
  /** Of the connection, when the wait was first looked at. */
  #wireBytesBefore = -1;
  #isClosed = false;

  constructor(
    stream: ServerHttp2Stream,
    head: Http2RequestHead,
    endsWithHead: boolean,
    facts: ConnectionFacts,
  ) {
    this.#stream = stream;
    this.#facts = facts;
    this.#headBytes = head.bytes;
    this.#totalDeadlineMs = facts.nowMs() + facts.timeoutsMs.total;
    this.method = head.method;
    this.target = head.target;
    this.headers = head.headers;
    this.body = endsWithHead
      ? head.contentLength === undefined
        ? NO_BODY
        : EMPTY_BODY
      : new Http2RequestBody(stream, head.contentLength, facts.bodyRules);
  }

  get scheme(): 'http' | 'https' {
    return this.#facts.scheme;
  }

  get client(): Peer {
    return this.#facts.client;
  }

  get server(): Peer {
    return this.#facts.server;
  }

  get tls(): TlsSession | undefined {
    return this.#facts.tls;
  }

  get connection(): ClientConnection {
    return this.#facts.connection;
  }

  get bytesReceived(): number {
    const { body } = this;
    return this.#headBytes + (body instanceof Http2RequestBody ? body.bytesReceived : 0);
  }

  listen(listener: ExchangeListener): void {
    this.#listener = listener;
  }

  sendInformational(status: number, headers: HeaderList): void {
    if (this.#state !== 'waiting' || !this.#isOpen() || status < 102 || status > 199) return;
    this.#stream.additionalHeaders({ ...headerObject(headers), ':status': status });
  }

  sendHead(status: number, headers: HeaderList, bodiless = false): void {
    if (this.#state !== 'waiting') return;
    const { raw, length, bytes } = responseHead(status, headers);
    this.#count(bytes + FRAME_HEAD_BYTES);
    this.#isBodiless = bodiless || this.method === 'HEAD' || BODILESS.has(status);
    this.#bytesLeft = length;
    if (this.#isBodiless || length === 0) {
      this.#respond(raw, { endStream: true });
      this.#bytesLeft = undefined;
    } else if (length !== undefined) {
      this.#respond(raw, undefined);
    } else {
      this.#state = 'held';
      this.#heldHead = raw;
      process.nextTick(this.#release);
    }
  }

  sendChunk(chunk: Buffer): boolean {
    const { length } = chunk;
    if (length === 0 || this.#isBodiless || !this.#isOpen()) return true;
    if (this.#bytesLeft !== undefined) {
      this.#bytesLeft -= length;
      if (this.#bytesLeft < 0) throw lengthError('longer');
    }
    this.#count(length + FRAME_HEAD_BYTES);
    if (this.#state === 'held') {
      if (this.#heldChunk === undefined && length <= COPY_BYTES_MAX) {
        this.#heldChunk = copyOf(chunk);
        return true;
      }
      this.#release();
    }
    return this.#state === 'sending' ? this.#write(chunk) : true;
  }

  end(trailers?: HeaderList): void {
    if (this.#state === 'ended' || this.#state === 'destroyed') return;
    if (this.#state === 'waiting') {
      this.destroy();
      return;
    }
    if ((this.#bytesLeft ?? 0) > 0 && this.#isOpen()) throw lengthError('shorter');
    const chunk = this.#heldChunk;
    if (this.#state === 'held') {
      const head = this.#heldHead as string[];
      this.#heldChunk = undefined;
      const waitForTrailers = (trailers?.size ?? 0) > 0;
      this.#respond(head, { waitForTrailers, endStream: !waitForTrailers && chunk === undefined });
      this.#takesTrailers = waitForTrailers;
    }
    this.#state = 'ended';
    if (!this.#isOpen()) return;
    if (this.#takesTrailers) this.#trailers = trailers;
    if (!this.#stream.writableEnded) {
      if (chunk === undefined) this.#stream.end();
      else this.#stream.end(chunk);
    }
    this.#watchSending();
    if (this.body instanceof Http2RequestBody && !this.body.isWhole) this.#dropRestOfBody();
  }

  openTunnel(): Tunnel {
    throw new Error('HTTP/2 switches no protocols');
  }

  destroy(): void {
    if (this.#state === 'destroyed') return;
    this.#state = 'destroyed';
    if (this.#isOpen()) this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  /** The connection's: what happens past a deadline. `turns`: streams that share the connection. */
  checkDeadlines(nowMs: number, turns: number): void {
    const { body } = this;
    if (nowMs > this.#totalDeadlineMs) this.#stream.close(constants.NGHTTP2_CANCEL);
    if (body instanceof Http2RequestBody && nowMs > body.deadlineMs) body.timedOut();
    if (this.#sendDeadlineMs === Infinity || this.#stream.writableFinished) return;
    const written = this.#facts.wireBytesWritten();
    if (this.#wireBytesBefore === -1) this.#wireBytesBefore = written;
    if (nowMs <= this.#sendDeadlineMs) return;
    const progress = written - this.#wireBytesBefore;
    // A slow connection that moves is no stalled stream, unless the stream had its turn long ago.
    if (progress >= PROGRESS_BYTES_MIN && progress < turns * TURN_BYTES) return;
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  /** The connection's: after the stream is gone. Answers whether the client cut it off. */
  streamClosed(): boolean {
    if (this.#isClosed) return false;
    this.#isClosed = true;
    const byUs = this.#state === 'destroyed';
    const isWhole = this.#state === 'ended' && this.#stream.writableFinished;
    this.#heldHead = undefined;
    this.#heldChunk = undefined;
    if (!byUs && this.#state !== 'ended') {
      this.#state = 'destroyed';
      this.#listener.onClientGone();
    }
    if (this.body instanceof Http2RequestBody && !this.body.isWhole) this.body.streamClosed();
    return !byUs && !isWhole;
  }

  #isOpen(): boolean {
    return !this.#stream.closed && !this.#stream.destroyed;
  }

  #count(bytes: number): void {
    this.bytesSent += bytes;
    this.#facts.countPayload(bytes);
  }

  #respond(
    raw: string[],
    options: { endStream?: boolean; waitForTrailers?: boolean } | undefined,
  ): void {
    this.#state = 'sending';
    this.#heldHead = undefined;
    if (!this.#isOpen()) return;
    if (options?.waitForTrailers === true) this.#stream.once('wantTrailers', this.#sendTrailers);
    try {
      this.#stream.respond(raw, options);
    } catch {
      // a status that HTTP/2 does not have (RFC 9113 knows 100 to 599)
      this.destroy();
    }
  }

  /** The tick is over and the answer is not: it may end with trailers. */
  readonly #release = (): void => {
    if (this.#state !== 'held') return;
    const chunk = this.#heldChunk;
    this.#heldChunk = undefined;
    this.#takesTrailers = true;
    this.#respond(this.#heldHead as string[], { waitForTrailers: true });
    if (chunk !== undefined && this.#isOpen()) this.#stream.write(chunk);
  };

  #write(chunk: Buffer): boolean {
    const stream = this.#stream;
    if (chunk.length > COPY_BYTES_MAX) {
      stream.write(chunk, this.#onTaken);
    } else if (stream.write(copyOf(chunk))) {
      return true;
    } else {
      stream.once('drain', this.#onTaken);
    }
    this.#isBlocked = true;
    this.#watchSending();
    return false;
  }

  readonly #onTaken = (): void => {
    if (!this.#isBlocked || !this.#isOpen()) return;
    this.#isBlocked = false;
    this.#sendDeadlineMs = Infinity;
    this.#listener.onClientDrained();
  };

  #watchSending(): void {
    this.#sendDeadlineMs = this.#facts.nowMs() + this.#facts.timeoutsMs.send;
    this.#wireBytesBefore = -1;
  }

  readonly #sendTrailers = (): void => {
    this.#stream.sendTrailers(this.#trailers === undefined ? {} : headerObject(this.#trailers));
  };

  /** Asks the client to stop: the answer is complete without the rest (RFC 9113, 8.1). */
  #dropRestOfBody(): void {
    const stream = this.#stream;
    const stop = (): void => {
      if (this.#isOpen()) stream.close(constants.NGHTTP2_NO_ERROR);
    };
    // nghttp2 drops a head that it has not sent when the reset comes
    if (stream.writableFinished) setImmediate(stop);
    else stream.once('finish', () => setImmediate(stop));
  }
}

function lengthError(how: string): GatewayError {
  return new GatewayError('RESPONSE_MALFORMED', `the body is ${how} than its Content-Length`);
}

function copyOf(chunk: Buffer): Buffer {
  const copy = Buffer.allocUnsafe(chunk.length);
  copy.set(chunk);
  return copy;
}
