import { constants, performServerHandshake } from 'node:http2';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { LimitsConfig } from '@polygate/chassis';
import type { HeadLimits } from '../http1/head-parser.ts';
import type { TlsSession } from '../request/exchange.ts';
import type { ClientTimeoutsMs, Http1Options } from '../server/http1-options.ts';
import { countConnection, peersOf } from '../sockets/byte-socket.ts';
import type { Expiring } from '../sockets/deadlines.ts';
import { Http2RequestBody } from './http2-body.ts';
import { Http2Exchange } from './http2-exchange.ts';
import type { ConnectionFacts } from './http2-exchange.ts';
import { readRequestHead } from './request-head.ts';
import type { HeadFault } from './request-head.ts';

/** Part of the configuration's `polygate.limits`. */
export type Http2Limits = Pick<
  LimitsConfig,
  | 'http2StreamsMax'
  | 'http2RequestsMax'
  | 'http2ResetsMax'
  | 'http2ResetsWindowMs'
  | 'http2OverheadBytesMax'
  | 'http2InvalidFramesMax'
  | 'http2SessionBytesMax'
>;

/** What all connections of an acceptor have in common: mostly what HTTP/1's have, too. */
export interface Http2Options extends Pick<
  Http1Options,
  'serve' | 'onRefused' | 'log' | 'deadlines' | 'headLimits' | 'timeoutsMs' | 'bodyBytesMax'
> {
  readonly limits: Http2Limits;
  /** The page of a refusal, as HTML; undefined: answers without a body. */
  readonly refusalPage?: (status: number) => Buffer;
}

/** How often a connection looks at its streams, unless a timeout is shorter. */
const LOOK_MS = 1000;
/** How long the client has to tell that it saw the first GOAWAY. */
const NOTICE_MS = 1000;
const AFTER_NOTICE_MS = 100;
/** nginx's lingering_timeout: how long a client may take to close after us. */
const LINGER_MS = 5000;
const STREAM_ID_MAX = 2 ** 31 - 1;
const MEBIBYTE = 1024 * 1024;
const CONNECTION_WINDOW_BYTES = MEBIBYTE;
/** What a client may have sent of one body without anybody reading it: the window and a buffer. */
const UNREAD_BYTES_MAX = 128 * 1024;
const END_STREAM_FLAG = 0x1;
const EMPTY = Buffer.alloc(0);
/** A request body that may be waited for, so that it can be sent twice. */
const GATHERED_BYTES_MAX = 16 * 1024;

/** One client's connection. Ends itself when the client breaks a limit or goes to sleep. */
export class Http2Connection implements Expiring {
  deadlineMs: number;
  readonly #socket: Socket;
  readonly #session: ServerHttp2Session;
  readonly #options: Http2Options;
  readonly #facts: ConnectionFacts;
  readonly #exchanges = new Set<Http2Exchange>();
  readonly #lookMs: number;
  /** Without a request by then, the connection ends. */
  #idleUntilMs: number;
  /** Since when there is only the socket left, and how long the client may take to close it. */
  #lingersSinceMs = Infinity;
  #lingerMs: number;
  readonly counted = countConnection();
  #payloadBytes = 0;
  #cutOff = 0;
  #cutOffSinceMs = 0;
  /** `closing`: the first GOAWAY is out. `closed`: no further streams. `cut`: nothing more at all. */
  #state: 'open' | 'closing' | 'closed' | 'cut' = 'open';

  constructor(socket: Socket | TLSSocket, tls: TlsSession | undefined, options: Http2Options) {
    this.#socket = socket;
    this.#options = options;
    const { timeoutsMs, limits } = options;
    this.#lookMs = lookMs(timeoutsMs);
    this.#lingerMs = timeoutsMs.send;
    const { nowMs } = options.deadlines;
    this.#idleUntilMs = nowMs + timeoutsMs.header;
    this.deadlineMs = nowMs + this.#lookMs;
    this.#facts = this.#connectionFacts(tls);
    // A client that says goodbye in TCP only has said it all; a socket of HTTP/1's may be half-open.
    socket.allowHalfOpen = false;
    this.#session = performServerHandshake(socket, sessionOptions(limits, options.headLimits));
    socket.read(0); // it may have been accepted with pauseOnConnect
    this.#session.on('stream', this.#onStream);
    this.#session.on('error', (error) => options.log.debug(`http2 connection: ${error.message}`));
    this.#session.once('connect', () => {
      // many uploads at once must not share the 64 KiB that one stream has
      if (!this.#session.destroyed) this.#session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    });
  }

  /** Called once, when the socket is gone. */
  onceClosed(listener: () => void): void {
    this.#session.once('close', listener);
  }

  /**
   * No further requests: those under way end, then the connection. The first GOAWAY names no last
   * stream, so that requests which cross it on the wire are served too (RFC 9113, 6.8).
   */
  shutDown(): void {
    if (this.#state !== 'open' || this.#session.destroyed) return;
    this.#state = 'closing';
    this.#idleUntilMs = this.#options.deadlines.nowMs + NOTICE_MS;
    this.#session.goaway(constants.NGHTTP2_NO_ERROR, STREAM_ID_MAX);
    // Acknowledgements overtake requests that the client has queued: those come right behind.
    this.#session.ping(() => {
      this.#idleUntilMs = this.#options.deadlines.nowMs + AFTER_NOTICE_MS;
      this.deadlineMs = Math.min(this.deadlineMs, this.#idleUntilMs);
    });
  }

  /** Now, whatever is under way. */
  cut(code: number, reason: string, lingerMs = LINGER_MS): void {
    if (this.#state === 'cut') return;
    this.#state = 'cut';
    this.#lingersSinceMs = this.#options.deadlines.nowMs;
    this.#lingerMs = lingerMs;
    this.deadlineMs = this.#lingersSinceMs + Math.min(lingerMs, this.#lookMs);
    this.#options.log.info(`client ${this.#facts.client.address} cut off: ${reason}`);
    if (code === constants.NGHTTP2_NO_ERROR) this.#session.destroy();
    else this.#session.destroy(new Error(reason), code);
  }

  onDeadline(): void {
    const { nowMs } = this.#options.deadlines;
    this.deadlineMs = nowMs + this.#lookMs;
    if (this.#session.destroyed) {
      this.#linger(nowMs);
      return;
    }
    if (this.#state === 'closing' && nowMs > this.#idleUntilMs) this.#close();
    else if (this.#exchanges.size === 0 && nowMs > this.#idleUntilMs) this.#endIdle();
    for (const exchange of this.#exchanges) exchange.checkDeadlines(nowMs, this.#exchanges.size);
    this.#checkOverhead();
  }

  readonly #onStream = (
    stream: ServerHttp2Stream,
    _headers: unknown,
    flags: number,
    raw: readonly string[],
  ): void => {
    stream.on('error', ignoreStreamError);
    if (stream.destroyed || stream.closed) {
      this.#countCutOff();
      return;
    }
    const head = readRequestHead(raw, this.#options.headLimits);
    if ('reason' in head) {
      this.#refuse(stream, head);
      return;
    }
    this.#payloadBytes += head.bytes;
    const exchange = new Http2Exchange(stream, head, (flags & END_STREAM_FLAG) !== 0, this.#facts);
    this.#exchanges.add(exchange);
    stream.on('close', () => this.#onClosed(exchange));
    this.counted.requests += 1;
    if (this.counted.requests >= this.#options.limits.http2RequestsMax) this.shutDown();
    const { body } = exchange;
    if (body instanceof Http2RequestBody && (body.length ?? Infinity) <= GATHERED_BYTES_MAX) {
      body.gather(() => {
        if (!stream.destroyed && !stream.closed) this.#options.serve(exchange);
      });
    } else {
      this.#options.serve(exchange);
    }
  };

  #refuse(stream: ServerHttp2Stream, fault: HeadFault): void {
    const { address } = this.#facts.client;
    this.#options.onRefused({ ...fault, clientAddress: address });
    // counted as cut off: a client that does nothing else is one
    this.#countCutOff();
    if (stream.destroyed || stream.closed) return;
    const page = this.#options.refusalPage?.(fault.status) ?? EMPTY;
    const head = { ':status': fault.status, 'content-length': page.length };
    if (page.length === 0) stream.respond(head, { endStream: true });
    else {
      stream.respond({ ...head, 'content-type': 'text/html; charset=utf-8' });
      stream.end(page);
    }
  }

  #onClosed(exchange: Http2Exchange): void {
    this.#exchanges.delete(exchange);
    const { deadlines, timeoutsMs } = this.#options;
    if (this.#exchanges.size === 0 && this.#state === 'open') {
      this.#idleUntilMs = deadlines.nowMs + timeoutsMs.idle;
    }
    if (exchange.body.present) this.#payloadBytes += UNREAD_BYTES_MAX;
    if (exchange.streamClosed()) this.#countCutOff();
  }

  /**
   * Rapid reset (CVE-2023-44487), and what makes us reset (CVE-2025-8671): requests that cost us work
   * and the client nothing.
   */
  #countCutOff(): void {
    const { deadlines, limits } = this.#options;
    if (this.#state === 'cut' || this.#session.destroyed) return;
    if (deadlines.nowMs - this.#cutOffSinceMs > limits.http2ResetsWindowMs) {
      this.#cutOffSinceMs = deadlines.nowMs;
      this.#cutOff = 0;
    }
    this.#cutOff += 1;
    if (this.#cutOff > limits.http2ResetsMax) {
      this.cut(constants.NGHTTP2_ENHANCE_YOUR_CALM, 'too many requests reset');
    }
  }

  /** As nginx's "http2 flood detected": frames that carry nothing. */
  #checkOverhead(): void {
    const wireBytes = this.#socket.bytesRead + this.#socket.bytesWritten;
    const payload = this.#payloadBytes + this.#exchanges.size * UNREAD_BYTES_MAX;
    const overheadMax = this.#options.limits.http2OverheadBytesMax + payload / 8;
    if (wireBytes - payload > overheadMax) {
      this.cut(constants.NGHTTP2_ENHANCE_YOUR_CALM, 'too many frames without a request');
    }
  }

  /** node:http2 waits for the client to close; one that does not would keep its socket for ever. */
  #linger(nowMs: number): void {
    if (this.#lingersSinceMs === Infinity) this.#lingersSinceMs = nowMs;
    const patienceMs = this.#socket.writableFinished
      ? Math.min(LINGER_MS, this.#lingerMs)
      : this.#lingerMs;
    if (nowMs >= this.#lingersSinceMs + patienceMs) this.#socket.destroy();
  }

  #endIdle(): void {
    if (this.counted.requests === 0) this.cut(constants.NGHTTP2_NO_ERROR, 'no request came');
    else if (this.#state === 'open') this.shutDown();
    else this.cut(constants.NGHTTP2_NO_ERROR, 'it did not take a refusal');
  }

  #close(): void {
    if (this.#session.destroyed || this.#state !== 'closing') return;
    this.#state = 'closed';
    this.#idleUntilMs = this.#options.deadlines.nowMs + LINGER_MS;
    this.#session.close();
  }

  readonly #countPayload = (bytes: number): void => {
    this.#payloadBytes += bytes;
  };

  #connectionFacts(tls: TlsSession | undefined): ConnectionFacts {
    const { timeoutsMs, deadlines, bodyBytesMax } = this.#options;
    const socket = this.#socket;
    return {
      scheme: tls === undefined ? 'http' : 'https',
      ...peersOf(socket),
      tls,
      connection: this.counted,
      bodyRules: {
        bytesMax: bodyBytesMax,
        timeoutMs: timeoutsMs.body,
        nowMs: () => deadlines.nowMs,
        countPayload: this.#countPayload,
      },
      timeoutsMs,
      nowMs: () => deadlines.nowMs,
      wireBytesWritten: () => socket.bytesWritten,
      countPayload: this.#countPayload,
    };
  }
}

function sessionOptions(
  limits: Http2Limits,
  head: HeadLimits,
): Parameters<typeof performServerHandshake>[1] {
  const { http2ResetsMax, http2ResetsWindowMs } = limits;
  return {
    settings: {
      maxConcurrentStreams: limits.http2StreamsMax,
      // Above the limit that is answered with 431, so that most get that answer; past this: reset.
      maxHeaderListSize: head.headBytesMax * 2,
    },
    maxHeaderListPairs: head.headersMax * 2,
    maxSessionInvalidFrames: limits.http2InvalidFramesMax,
    maxSessionRejectedStreams: limits.http2InvalidFramesMax,
    maxSessionMemory: Math.max(1, Math.round(limits.http2SessionBytesMax / MEBIBYTE)),
    streamResetBurst: http2ResetsMax,
    streamResetRate: Math.max(1, Math.round((http2ResetsMax * 1000) / http2ResetsWindowMs)),
    // what an upstream sends twice goes through twice, as over HTTP/1
    strictSingleValueFields: false,
  };
}

function lookMs({ header, body, send, idle, total }: ClientTimeoutsMs): number {
  const shortest = Math.min(header, body, send, idle === 0 ? Infinity : idle, total);
  return Math.min(LOOK_MS, shortest / 4);
}

/** A stream's end is told by 'close'; why, the counters of resets know. */
function ignoreStreamError(): void {
  return;
}
