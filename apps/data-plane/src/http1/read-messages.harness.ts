/**
 * Reads a connection's bytes with our parsers, as a server or a client would: the one side of every
 * comparison in the tests here.
 */
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

const memory = Buffer.alloc(8_192);
const LEFT_OVER = 'Via: b\r\n\r\n';

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

/**
 * Whole, at `at` of memory that is used again and again, as a server reads: that is where the parser
 * looks at words. Behind the bytes lies what an earlier message might have left.
 */
export function readInPlace(bytes: Buffer, side: Side, at: number): Reading {
  const reader = new Reader(side);
  memory.fill(LEFT_OVER);
  bytes.copy(memory, at);
  reader.take(memory, at, at + bytes.length);
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

  take(piece: Buffer, from = 0, end = piece.length): void {
    if (this.error !== undefined) return;
    try {
      let p = from;
      while (p < end && p !== -1) p = this.#step(piece, p, end);
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error;
      this.error = { reason: error.message, status: error.status };
    }
  }

  #step(piece: Buffer, p: number, end: number): number {
    const message = this.messages.at(-1) as Message;
    if (this.#state === 'head') return this.#readHead(piece, p, end);
    if (this.#state === 'chunked') return this.#readChunks(message, piece, p, end);
    if (this.#state === 'until-end') {
      message.body += piece.toString('latin1', p, end);
      return -1;
    }
    if (this.#state === 'length') {
      const to = Math.min(end, p + this.#left);
      message.body += piece.toString('latin1', p, to);
      this.#left -= to - p;
      if (this.#left === 0) this.#endMessage(message);
      return to;
    }
    const isEmptyLine = piece[p] === 0x0d || piece[p] === 0x0a;
    if (isEmptyLine && !message.upgrade) return p + 1;
    if (!message.upgrade) this.error = { reason: 'data behind the last message', status: 0 };
    return -1;
  }

  #readHead(piece: Buffer, p: number, end: number): number {
    const parser = this.#side === 'request' ? this.#request : this.#response;
    const done = parser.parse(piece, p, end);
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
      upgrade: isRequest ? parser.upgrade !== undefined : parser.status === 101,
      keepAlive: parser.keepAlive,
      body: '',
      trailers: [],
      isComplete: false,
    };
  }

  #readChunks(message: Message, piece: Buffer, p: number, end: number): number {
    const onBodyBytes = (buffer: Buffer, from: number, to: number): boolean => {
      message.body += buffer.toString('latin1', from, to);
      return true;
    };
    const done = this.#decoder.decode(piece, p, end, { onBodyBytes });
    if (done === -1) return -1;
    message.trailers = this.#decoder.trailers?.toRaw() ?? [];
    this.#endMessage(message);
    return done;
  }

  #endMessage(message: Message): void {
    message.isComplete = true;
    this.#state = message.keepAlive && !message.upgrade ? 'head' : 'over';
  }
}
