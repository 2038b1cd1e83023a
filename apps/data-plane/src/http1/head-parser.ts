import { HeaderList } from '@polygate/plugin-sdk';
import { CR, latin1Text, LF } from './byte-class.ts';
import { FieldBlock } from './field-block.ts';
import { HeldBytes } from './held-bytes.ts';
import { Http1Error } from './http1-error.ts';
import { MessageFraming } from './message-framing.ts';
import { RequestLine } from './request-line.ts';
import { StatusLine } from './status-line.ts';
import { wordsOf, type Words } from './words.ts';

export interface HeadLimits {
  /** Of the whole head, start line and empty line included: 431. */
  readonly headBytesMax: number;
  /** 431. */
  readonly headersMax: number;
  /** 414. */
  readonly targetBytesMax: number;
  /** False: fields with `_` in their name are dropped, as nginx's underscores_in_headers off does. */
  readonly underscoresInHeaders?: boolean;
}

/** Two empty lines, which RFC 9112 section 2.2 would have skipped; more is not a client. */
const LEADING_BYTES_MAX = 4;

/**
 * Reads one request head after the other. Strict: what another reader could understand otherwise is
 * refused with an `Http1Error`, at the byte where that is certain, however the bytes are cut; after
 * that the parser is of no more use. Where a head lies in one buffer nothing is copied.
 */
export class RequestHeadParser {
  /** Keeps the text of the whole head alive, as `headers` does. */
  target = '';
  /** Size of the head, leading empty lines excepted. */
  headBytes = 0;
  readonly #headBytesMax: number;
  readonly #framing = new MessageFraming(true);
  readonly #line: RequestLine;
  readonly #fields: FieldBlock;
  #held: HeldBytes | undefined = undefined;
  #leadingBytes = 0;
  #hasBegun = false;
  #isLineRead = false;
  #headers: HeaderList | undefined = undefined;
  #upgrade: string | undefined = undefined;

  constructor(limits: HeadLimits) {
    this.#headBytesMax = limits.headBytesMax;
    this.#line = new RequestLine(limits.targetBytesMax);
    const keepsUnderscores = limits.underscoresInHeaders ?? true;
    this.#fields = new FieldBlock(limits.headersMax, keepsUnderscores, this.#framing);
  }

  /** Some byte of the head, leading empty lines aside, was seen since `reset`. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }
  get method(): string {
    return this.#line.method;
  }
  /** A new list for each head. Long values keep all of its text alive: not to be kept for long. */
  get headers(): HeaderList {
    if (this.#headers === undefined) throw new Error('no head was read');
    return this.#headers;
  }
  get minorVersion(): 0 | 1 {
    return this.#line.minorVersion;
  }
  /** Bytes; -1: no Content-Length. */
  get contentLength(): number {
    return this.#framing.contentLength;
  }
  get isChunked(): boolean {
    return this.#framing.isChunked;
  }
  get keepAlive(): boolean {
    return this.#framing.keepAlive;
  }
  get expectsContinue(): boolean {
    return this.#framing.expectsContinue;
  }
  /** Upgrade's value in lower case, where Connection names it and the request is HTTP/1.1. */
  get upgrade(): string | undefined {
    return this.#upgrade;
  }
  /** Connection, Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding or Upgrade came. */
  get hasHopByHop(): boolean {
    return this.#framing.hasHopByHop;
  }
  /** Connection names fields besides close, keep-alive and upgrade. */
  get hasNamedFields(): boolean {
    return this.#framing.hasNamedFields;
  }
  /** The head is the first part of HTTP/2's preface, `PRI * HTTP/2.0` and an empty line. */
  get isHttp2Preface(): boolean {
    return this.#line.isHttp2Preface;
  }

  /** Ready for the next head: what the last one left must have been taken over, it is let go. */
  reset(): void {
    this.#held = undefined;
    this.#headers = undefined;
    this.target = '';
    this.#leadingBytes = 0;
    this.#hasBegun = false;
    this.#isLineRead = false;
    this.#upgrade = undefined;
    this.#line.reset();
    this.#fields.reset();
    this.#framing.reset();
  }

  /**
   * Reads buffer[start..end). The offset behind the head once it is complete; -1: all of it was taken
   * and more is needed, the memory may be reused. Throws `Http1Error`.
   */
  parse(buffer: Buffer, start: number, end: number): number {
    let from = start;
    if (!this.#hasBegun) {
      from = this.#skipEmptyLines(buffer, start, end);
      if (from === end) return -1;
      this.#hasBegun = true;
    }
    if (this.#held !== undefined) return this.#parseHeld(this.#held, buffer, from, end);

    const limit = Math.min(end, from + this.#headBytesMax);
    const done = this.#scan(buffer, from, from, limit, wordsOf(buffer, limit - from));
    if (done !== -1) return done;
    if (limit - from === this.#headBytesMax) throw tooLong();
    this.#held = new HeldBytes(this.#headBytesMax);
    this.#held.append(buffer, from, end);
    return -1;
  }

  #parseHeld(held: HeldBytes, buffer: Buffer, start: number, end: number): number {
    const before = held.length;
    held.append(buffer, start, end);
    const done = this.#scan(held.buffer, 0, before, held.length);
    if (done !== -1) return start + (done - before);
    if (held.length === this.#headBytesMax) throw tooLong();
    return -1;
  }

  #scan(buffer: Buffer, base: number, from: number, end: number, words?: Words): number {
    let p = from;
    if (!this.#isLineRead) {
      p = this.#line.scan(buffer, base, p, end);
      if (p === -1) return -1;
      if (this.#line.isHttp2Preface) {
        this.headBytes = p - base;
        this.target = '*';
        this.#headers = new HeaderList();
        return p;
      }
      this.#isLineRead = true;
      this.#framing.minorVersion = this.#line.minorVersion;
    }
    const done = this.#fields.scan(buffer, base, p, end, words);
    if (done !== -1) this.#finish(buffer, base, done);
    return done;
  }

  #finish(buffer: Buffer, base: number, end: number): void {
    const text = latin1Text(buffer, base, end);
    this.headBytes = end - base;
    this.target = text.substring(this.#line.targetFrom, this.#line.targetTo);
    this.#headers = this.#fields.takeHeaders(text);
    if (this.#framing.switchesProtocol) this.#upgrade = upgradeOf(this.#headers);
  }

  /** Answers `end` while there may be more of them. */
  #skipEmptyLines(buffer: Buffer, start: number, end: number): number {
    let p = start;
    for (; p < end; p++) {
      const byte = buffer[p];
      const isInside = this.#leadingBytes % 2 === 1;
      const isRight = byte === (isInside ? LF : CR);
      if (!isRight && !isInside && byte !== LF) break;
      if (!isRight || this.#leadingBytes === LEADING_BYTES_MAX) {
        throw new Http1Error(400, 'no request line');
      }
      this.#leadingBytes++;
    }
    return p;
  }
}

/** As `RequestHeadParser`, for responses. The status of its errors means nothing: it is all 502. */
export class ResponseHeadParser {
  headBytes = 0;
  readonly #headBytesMax: number;
  readonly #framing = new MessageFraming(false);
  readonly #line = new StatusLine();
  readonly #fields: FieldBlock;
  #held: HeldBytes | undefined = undefined;
  #hasBegun = false;
  #isLineRead = false;
  #headers: HeaderList | undefined = undefined;
  #upgrade: string | undefined = undefined;

  constructor(limits: Omit<HeadLimits, 'targetBytesMax'>) {
    this.#headBytesMax = limits.headBytesMax;
    const keepsUnderscores = limits.underscoresInHeaders ?? true;
    this.#fields = new FieldBlock(limits.headersMax, keepsUnderscores, this.#framing);
  }

  /** Some byte of the head was seen since `reset`. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }
  /** 100 to 999. */
  get status(): number {
    return this.#line.status;
  }
  /** A new list for each head. Long values keep all of its text alive: not to be kept for long. */
  get headers(): HeaderList {
    if (this.#headers === undefined) throw new Error('no head was read');
    return this.#headers;
  }
  get minorVersion(): 0 | 1 {
    return this.#line.minorVersion;
  }
  /** Bytes; -1: no Content-Length. */
  get contentLength(): number {
    return this.#framing.contentLength;
  }
  get isChunked(): boolean {
    return this.#framing.isChunked;
  }
  get keepAlive(): boolean {
    return this.#framing.keepAlive;
  }
  /** Upgrade's value in lower case, where Connection names it and the response is HTTP/1.1. */
  get upgrade(): string | undefined {
    return this.#upgrade;
  }
  /** Connection, Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding or Upgrade came. */
  get hasHopByHop(): boolean {
    return this.#framing.hasHopByHop;
  }
  /** Connection names fields besides close, keep-alive and upgrade. */
  get hasNamedFields(): boolean {
    return this.#framing.hasNamedFields;
  }

  /** Ready for the next head: what the last one left must have been taken over, it is let go. */
  reset(): void {
    this.#held = undefined;
    this.#headers = undefined;
    this.#hasBegun = false;
    this.#isLineRead = false;
    this.#upgrade = undefined;
    this.#line.reset();
    this.#fields.reset();
    this.#framing.reset();
  }

  /** As `RequestHeadParser.parse`. */
  parse(buffer: Buffer, start: number, end: number): number {
    if (start === end) return -1;
    this.#hasBegun = true;
    const held = this.#held;
    if (held !== undefined) {
      const before = held.length;
      held.append(buffer, start, end);
      const done = this.#scan(held.buffer, 0, before, held.length);
      if (done !== -1) return start + (done - before);
      if (held.length === this.#headBytesMax) throw tooLong();
      return -1;
    }

    const limit = Math.min(end, start + this.#headBytesMax);
    const done = this.#scan(buffer, start, start, limit, wordsOf(buffer, limit - start));
    if (done !== -1) return done;
    if (limit - start === this.#headBytesMax) throw tooLong();
    this.#held = new HeldBytes(this.#headBytesMax);
    this.#held.append(buffer, start, end);
    return -1;
  }

  #scan(buffer: Buffer, base: number, from: number, end: number, words?: Words): number {
    let p = from;
    if (!this.#isLineRead) {
      p = this.#line.scan(buffer, p, end);
      if (p === -1) return -1;
      this.#isLineRead = true;
      this.#framing.minorVersion = this.#line.minorVersion;
    }
    const done = this.#fields.scan(buffer, base, p, end, words);
    if (done !== -1) this.#finish(buffer, base, done);
    return done;
  }

  #finish(buffer: Buffer, base: number, end: number): void {
    this.headBytes = end - base;
    this.#headers = this.#fields.takeHeaders(latin1Text(buffer, base, end));
    if (this.#framing.switchesProtocol) this.#upgrade = upgradeOf(this.#headers);
  }
}

/** Several are a list, RFC 9110 section 7.8; an empty one names nothing. */
function upgradeOf(headers: HeaderList): string | undefined {
  const protocols = headers.getAll('upgrade').join(', ').toLowerCase();
  return protocols === '' ? undefined : protocols;
}

function tooLong(): Http1Error {
  return new Http1Error(431, 'head is too long');
}
