/**
 * Reads a connection's bytes with our parsers, as a server or a client would: the one side of every
 * comparison in the tests here.
 */
import type { HeaderList } from '@polygate/plugin-sdk';
import { ChunkedDecoder } from './chunked-decoder.ts';
import { RequestHeadParser, ResponseHeadParser } from './head-parser.ts';
import { Http1Error } from './http1-error.ts';

export type Side = 'request' | 'response';

export interface Message {
  /** Of requests; empty in responses. */
  method: string;
  target: string;
  /** Of responses; 0 in requests. */
  status: number;
  minorVersion: number;
  /** Alternating names and values. */
  headers: string[];
  upgrade: boolean;
  keepAlive: boolean;
  body: string;
  trailers: string[];
  isComplete: boolean;
}

export interface Reading {
  /** Those whose head was read. */
  messages: Message[];
  /** Why reading ended before the bytes did; undefined: it did not. */
  error: { reason: string; status: number } | undefined;
}

export const LIMITS = { headBytesMax: 32_768, headersMax: 100, targetBytesMax: 8_192 };
export const TRAILER_LIMITS = { trailerBytesMax: 8_192, trailersMax: 50 };

/** `cuts`: ascending positions where the bytes are cut into pieces, each in memory of its own. */
export function readMessages(bytes: Buffer, side: Side, cuts: readonly number[] = []): Reading {
  const reader = new Reader(side);
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    const piece = Buffer.from(bytes.subarray(from, to));
    reader.take(piece);
    // what is handed over may be reused
    piece.fill(0x21);
    from = to;
  }
  return { messages: reader.messages, error: reader.error };
}

/** Every position. */
export function everyByte(bytes: Buffer): number[] {
  return Array.from({ length: Math.max(bytes.length - 1, 0) }, (_, i) => i + 1);
}

class Reader {
  readonly messages: Message[] = [];
  error: Reading['error'] = undefined;
  readonly #side: Side;
  readonly #request = new RequestHeadParser(LIMITS);
  readonly #response = new ResponseHeadParser(LIMITS);
  readonly #decoder = new ChunkedDecoder(TRAILER_LIMITS);
  #state: 'head' | 'length' | 'chunked' | 'until-end' | 'over' = 'head';
  #left = 0;

  constructor(side: Side) {
    this.#side = side;
  }

  take(piece: Buffer): void {
    if (this.error !== undefined) return;
    try {
      let p = 0;
      while (p < piece.length && p !== -1) p = this.#step(piece, p);
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error;
      this.error = { reason: error.message, status: error.status };
    }
  }

  #step(piece: Buffer, p: number): number {
    const message = this.messages.at(-1) as Message;
    if (this.#state === 'head') return this.#readHead(piece, p);
    if (this.#state === 'chunked') return this.#readChunks(message, piece, p);
    if (this.#state === 'until-end') {
      message.body += piece.toString('latin1', p);
      return -1;
    }
    if (this.#state === 'length') {
      const to = Math.min(piece.length, p + this.#left);
      message.body += piece.toString('latin1', p, to);
      this.#left -= to - p;
      if (this.#left === 0) this.#endMessage(message);
      return to;
    }
    if (!message.upgrade) this.error = { reason: 'data behind the last message', status: 0 };
    return -1;
  }

  #readHead(piece: Buffer, p: number): number {
    const parser = this.#side === 'request' ? this.#request : this.#response;
    const done = parser.parse(piece, p, piece.length);
    if (done === -1) return -1;
    const message = this.#messageOf(parser);
    this.messages.push(message);
    this.#decoder.reset();
    this.#left = parser.contentLength;
    const isBodiless = message.status >= 100 && /^(1..|204|304)$/.test(String(message.status));
    if (this.#side === 'request' && this.#request.isHttp2Preface) this.#state = 'over';
    else if (isBodiless) this.#endMessage(message);
    else if (parser.isChunked) this.#state = 'chunked';
    else if (parser.contentLength > 0) this.#state = 'length';
    else if (this.#side === 'request' || parser.contentLength === 0) this.#endMessage(message);
    else this.#state = 'until-end';
    parser.reset();
    return done;
  }

  #messageOf(parser: RequestHeadParser | ResponseHeadParser): Message {
    const isRequest = parser instanceof RequestHeadParser;
    return {
      method: isRequest ? parser.method : '',
      target: isRequest ? parser.target : '',
      status: isRequest ? 0 : parser.status,
      minorVersion: parser.minorVersion,
      headers: parser.headers.toRaw(),
      upgrade: parser.upgrade !== undefined,
      keepAlive: parser.keepAlive,
      body: '',
      trailers: [],
      isComplete: false,
    };
  }

  #readChunks(message: Message, piece: Buffer, p: number): number {
    const onBodyBytes = (buffer: Buffer, from: number, to: number): boolean => {
      message.body += buffer.toString('latin1', from, to);
      return true;
    };
    const done = this.#decoder.decode(piece, p, piece.length, { onBodyBytes });
    if (done === -1) return -1;
    message.trailers = (this.#decoder.trailers as HeaderList | undefined)?.toRaw() ?? [];
    this.#endMessage(message);
    return done;
  }

  #endMessage(message: Message): void {
    message.isComplete = true;
    this.#state = message.keepAlive && !message.upgrade ? 'head' : 'over';
  }
}
