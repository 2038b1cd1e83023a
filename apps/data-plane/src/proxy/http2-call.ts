import { constants } from 'node:http2';
import type { ClientHttp2Stream } from 'node:http2';
import { GatewayError } from '@polygate/plugin-sdk';
import type { GatewayErrorCode, HeaderList } from '@polygate/plugin-sdk';
import { NameError } from '../dns/name-error.ts';
import { fieldText } from '../http1/field-lines.ts';
import type { BodySink } from '../request/exchange.ts';
import type { Deadlines, Expiring } from '../sockets/deadlines.ts';
import { http2FieldText, readFields } from './http2-fields.ts';
import type { Http2Session, SessionUser } from './http2-session.ts';
import type { UpstreamCall, UpstreamReceiver, UpstreamRequest } from './upstream-transport.ts';

const END_STREAM_FLAG = 0x1;
const GRPC_CONTENT_TYPE = 'application/grpc';

/**
 * One request on one stream. Nothing is held back in either direction: what the client sends goes on
 * at once, and the answer may begin before the request ends.
 */
export class Http2Call implements UpstreamCall, SessionUser, BodySink, Expiring {
  deadlineMs = Infinity;
  connectTimeMs: number | undefined = undefined;
  bytesSent = 0;
  bytesReceived = 0;
  readonly #request: UpstreamRequest;
  readonly #receiver: UpstreamReceiver;
  readonly #deadlines: Deadlines;
  readonly #pickSession: () => Http2Session;
  #session: Http2Session | undefined;
  #stream: ClientHttp2Stream | undefined;
  #error: Error | undefined;
  #trailers: HeaderList | undefined;
  /** Of the answer's Content-Length; Infinity: none. */
  #bytesLeft = Infinity;
  #beginMs = 0;
  #sessionBytesBefore = 0;
  #sessionCallsBefore = 0;
  #wasSessionIdle = false;
  #isBodyTaken = false;
  #isRequestSent = false;
  #isHeadReceived = false;
  #isSendBlocked = false;
  #isReceivePaused = false;
  /** The receiver hears no more. */
  #isOver = false;

  constructor(
    request: UpstreamRequest,
    receiver: UpstreamReceiver,
    pickSession: () => Http2Session,
    deadlines: Deadlines,
  ) {
    this.#request = request;
    this.#receiver = receiver;
    this.#pickSession = pickSession;
    this.#deadlines = deadlines;
  }

  get connectTimeoutMs(): number {
    return this.#request.timeoutsMs.connect;
  }

  begin(): void {
    if (this.#beginMs === 0) this.#beginMs = performance.now();
    this.#session = this.#pickSession();
    this.#session.use(this);
  }

  // ---- from the session

  onConnected(session: Http2Session): void {
    if (this.#isOver) return;
    if (!session.hasRoom) {
      this.begin();
      return;
    }
    this.connectTimeMs = performance.now() - this.#beginMs;
    const { body } = this.#request;
    this.#sessionCallsBefore = session.calls;
    this.#wasSessionIdle = session.isIdle;
    this.#sessionBytesBefore = session.bytesRead;
    let stream: ClientHttp2Stream;
    try {
      stream = session.request(requestFields(this.#request), body === undefined);
    } catch (error) {
      this.#fail('UPSTREAM_PROTOCOL', (error as Error).message, { neverSent: true });
      return;
    }
    this.#stream = stream;
    stream.on('response', (_headers, flags, raw) => this.#onResponse(flags, raw));
    stream.on('headers', (headers, _flags, raw) => this.#onInformational(headers[':status'], raw));
    stream.on('trailers', (_headers, _flags, raw) => {
      this.#trailers = readFields(raw);
    });
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    stream.on('end', () => this.#onEnd());
    stream.on('error', (error: Error) => {
      this.#error = error;
    });
    stream.on('close', () => this.#onClose(session));
    this.#deadlines.add(this);
    this.#sendBody(stream);
    this.#watch();
  }

  onConnectFailed(error: Error, timedOut: boolean): void {
    if (timedOut) {
      const text = `no connection after ${this.connectTimeoutMs} ms`;
      this.#fail('UPSTREAM_CONNECT_TIMEOUT', text, { neverSent: true });
      return;
    }
    // The node's name has no address: as in APISIX, that is a node less.
    const isUnresolved = error instanceof NameError;
    const code = isUnresolved ? 'UPSTREAM_UNRESOLVED' : 'UPSTREAM_CONNECT_FAILED';
    this.#fail(code, error.message, { neverSent: true, cause: error });
  }

  // ---- the request's body

  #sendBody(stream: ClientHttp2Stream): void {
    const { body } = this.#request;
    if (body === undefined) {
      this.#isRequestSent = true;
    } else if (Buffer.isBuffer(body)) {
      this.#isRequestSent = true;
      this.bytesSent = body.length;
      stream.end(body);
    } else {
      this.#isBodyTaken = true;
      stream.on('drain', () => {
        this.#isSendBlocked = false;
        this.#watch();
        body.resume();
      });
      body.stream(this);
    }
  }

  write(chunk: Buffer): boolean {
    const stream = this.#stream;
    // The node answered early, or is gone: the rest is read and dropped.
    if (this.#isOver || stream === undefined || !isOpen(stream)) return true;
    this.bytesSent += chunk.length;
    this.#isSendBlocked = !stream.write(chunk);
    this.#watch();
    return !this.#isSendBlocked;
  }

  end(): void {
    this.#isRequestSent = true;
    if (this.#isOver || this.#stream === undefined) return;
    this.#stream.end();
    this.#watch();
  }

  fail(error: Error): void {
    this.#isRequestSent = true;
    this.#tell(error, { neverSent: false, stale: false });
    this.#reset(constants.NGHTTP2_CANCEL);
  }

  // ---- the answer

  #onInformational(status: number | undefined, raw: readonly string[]): void {
    if (this.#isOver || status === undefined || status === 100) return;
    this.#receiver.onInformational(status, readFields(raw));
  }

  #onResponse(flags: number, raw: readonly string[]): void {
    if (this.#isOver) return;
    const headers = readFields(raw);
    const status = Number(raw[raw.indexOf(':status') + 1]);
    const length = headers.get('content-length');
    const isBodiless = this.#request.method === 'HEAD' || status === 204 || status === 304;
    if (length !== undefined && !isBodiless) this.#bytesLeft = Number(length);
    this.#isHeadReceived = true;
    this.#watch();
    const isComplete = (flags & END_STREAM_FLAG) !== 0;
    this.#receiver.onHead(status, headers, isComplete);
    if (!isComplete || this.#wasEnded()) return;
    this.#isOver = true;
    this.#receiver.onEnd(undefined);
    this.#finishStream();
  }

  /** By the receiver, from within one of its methods. */
  #wasEnded(): boolean {
    return this.#isOver;
  }

  #onData(chunk: Buffer): void {
    if (this.#isOver) return;
    this.bytesReceived += chunk.length;
    this.#bytesLeft -= chunk.length;
    this.#isReceivePaused = !this.#receiver.onChunk(chunk);
    if (this.#isReceivePaused) this.#stream?.pause();
    this.#watch();
  }

  #onEnd(): void {
    const stream = this.#stream;
    if (this.#isOver || stream === undefined) return;
    const isShort = this.#bytesLeft > 0 && this.#bytesLeft !== Infinity;
    // The end of a stream that was reset, or never had a head, is told by 'close'.
    if (!this.#isHeadReceived || isShort || stream.rstCode !== constants.NGHTTP2_NO_ERROR) return;
    this.#isOver = true;
    this.#receiver.onEnd(this.#trailers);
    this.#finishStream();
  }

  #onClose(session: Http2Session): void {
    this.#deadlines.delete(this);
    session.done();
    if (this.#isOver) return;
    const stream = this.#stream as ClientHttp2Stream;
    const code = stream.rstCode;
    const neverSent =
      code === constants.NGHTTP2_REFUSED_STREAM ||
      stream.id === undefined ||
      session.isUnseen(stream.id);
    // The connection was good once: that it ended says nothing of the node.
    const diedIdle = this.#wasSessionIdle && session.bytesRead === this.#sessionBytesBefore;
    const stale = this.#sessionCallsBefore > 0 && session.isEnding && (neverSent || diedIdle);
    const cause = this.#error ?? session.error;
    const text = cause?.message ?? 'the stream ended before its answer';
    this.#fail('UPSTREAM_PROTOCOL', text, { neverSent, stale, cause });
  }

  // ---- time and ends

  onDeadline(): void {
    const { send, read } = this.#request.timeoutsMs;
    const session = this.#session;
    // Nothing came on the whole connection: whoever comes next gets another one.
    if (session?.bytesRead === this.#sessionBytesBefore) session.retire();
    if (this.#isSendBlocked) this.#fail('UPSTREAM_SEND_TIMEOUT', `took no byte for ${send} ms`);
    else this.#fail('UPSTREAM_READ_TIMEOUT', `sent no byte for ${read} ms`);
    this.#reset(constants.NGHTTP2_CANCEL);
  }

  resume(): void {
    if (!this.#isReceivePaused) return;
    this.#isReceivePaused = false;
    this.#watch();
    this.#stream?.resume();
  }

  cancel(): void {
    this.#isOver = true;
    this.#session?.unuse(this);
    this.#reset(constants.NGHTTP2_CANCEL);
  }

  /**
   * As nginx's grpc_send_timeout and grpc_read_timeout: between two writes, between two reads. While
   * the client is the one that is waited for, its own timeouts hold.
   */
  #watch(): void {
    const { send, read } = this.#request.timeoutsMs;
    const waitsForNode = !this.#isReceivePaused && (this.#isRequestSent || this.#isHeadReceived);
    if (this.#isSendBlocked) this.deadlineMs = this.#deadlines.nowMs + send;
    else this.deadlineMs = waitsForNode ? this.#deadlines.nowMs + read : Infinity;
  }

  /** After the whole answer. */
  #finishStream(): void {
    this.deadlineMs = Infinity;
    // No part of the request matters any more (RFC 9113, 8.1).
    if (!this.#isRequestSent) this.#reset(constants.NGHTTP2_NO_ERROR);
    else this.#stream?.resume();
  }

  #reset(code: number): void {
    this.deadlineMs = Infinity;
    const stream = this.#stream;
    if (stream === undefined) return;
    // What was read and not taken would keep the stream from closing.
    stream.resume();
    if (isOpen(stream)) stream.close(code);
  }

  #fail(
    code: GatewayErrorCode,
    text: string,
    how: { neverSent?: boolean; stale?: boolean; cause?: Error | undefined } = {},
  ): void {
    const { neverSent = false, stale = false, cause } = how;
    const error = new GatewayError(code, `${this.#request.node.label}: ${text}`, { cause });
    this.#tell(error, { neverSent, stale });
  }

  #tell(error: Error, how: { neverSent: boolean; stale: boolean }): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#isHeadReceived) this.#receiver.onCut(error);
    else this.#receiver.onFailure({ error, bodyUntouched: !this.#isBodyTaken, ...how });
  }
}

function isOpen(stream: ClientHttp2Stream): boolean {
  return !stream.closed && !stream.destroyed;
}

/** Alternating names and values, pseudo headers first. Throws a `TypeError` on what would split. */
function requestFields({
  method,
  upstream,
  host,
  target,
  headers,
  body,
}: UpstreamRequest): string[] {
  const scheme = upstream.scheme === 'grpcs' ? 'https' : 'http';
  const raw = [':method', fieldText(method, ':method'), ':scheme', scheme];
  raw.push(':authority', fieldText(host, ':authority'), ':path', fieldText(target, ':path'));
  let hasGrpcType = false;
  for (let i = 0; i < headers.size; i++) {
    const name = headers.lowerNameAt(i);
    const value = http2FieldText(name, headers.valueAt(i));
    if (value === undefined || name === 'content-length' || name === 'host') continue;
    if (name === 'content-type') {
      // As APISIX: whatever goes to a node of gRPC is gRPC. Its subtypes (+proto, +json) stay.
      if (!value.startsWith(GRPC_CONTENT_TYPE)) continue;
      hasGrpcType = true;
    }
    raw.push(name, value);
  }
  if (!hasGrpcType) raw.push('content-type', GRPC_CONTENT_TYPE);
  // gRPC servers refuse calls that do not promise to read trailers
  raw.push('te', 'trailers');
  const length = body?.length;
  if (length !== undefined) raw.push('content-length', String(length));
  return raw;
}
