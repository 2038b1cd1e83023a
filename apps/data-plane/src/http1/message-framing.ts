import { COMMA, latin1Text, SP, TAB } from './byte-class.ts';
import { FieldKind } from './field-name.ts';
import { isHost } from './host-syntax.ts';
import { Http1Error } from './http1-error.ts';

/** 15 digits are below 2^53, and nothing is that long. */
const LENGTH_DIGITS_MAX = 15;
/** RFC 9112 section 7, and what came before it. */
const CODINGS = new Set([
  'chunked',
  'gzip',
  'x-gzip',
  'deflate',
  'compress',
  'x-compress',
  'identity',
]);

/**
 * What the fields of one head say about the length of the message and the life of the connection.
 * Refuses all that two readers could understand in two ways: RFC 9112 section 6.3 leaves a choice in
 * some of these cases, we do not.
 */
export class MessageFraming {
  /** Bytes; -1: not told. */
  contentLength = -1;
  isChunked = false;
  minorVersion: 0 | 1 = 1;
  expectsContinue = false;
  hasHopByHop = false;
  hasUpgrade = false;
  /** Connection names fields besides close, keep-alive and upgrade: those end here, too. */
  hasNamedFields = false;
  #hasHost = false;
  #saysClose = false;
  #saysKeepAlive = false;
  #saysUpgrade = false;
  readonly #isRequest: boolean;

  constructor(isRequest: boolean) {
    this.#isRequest = isRequest;
  }

  get keepAlive(): boolean {
    return !this.#saysClose && (this.minorVersion === 1 || this.#saysKeepAlive);
  }

  /** RFC 9110 section 7.8: Upgrade counts only when Connection names it, and never in HTTP/1.0. */
  get switchesProtocol(): boolean {
    return this.hasUpgrade && this.#saysUpgrade && this.minorVersion === 1;
  }

  reset(): void {
    this.contentLength = -1;
    this.isChunked = false;
    this.minorVersion = 1;
    this.expectsContinue = false;
    this.hasHopByHop = false;
    this.hasUpgrade = false;
    this.hasNamedFields = false;
    this.#hasHost = false;
    this.#saysClose = false;
    this.#saysKeepAlive = false;
    this.#saysUpgrade = false;
  }

  /** A field whose kind is not `plain`; its value, trimmed, is buffer[from..to). */
  take(kind: FieldKind, buffer: Buffer, from: number, to: number): void {
    if (kind === FieldKind.host) {
      if (this.#isRequest) this.#takeHost(buffer, from, to);
    } else if (kind === FieldKind.contentLength) {
      this.#takeContentLength(buffer, from, to);
    } else if (kind === FieldKind.expect) {
      if (this.#isRequest) this.#takeExpect(buffer, from, to);
    } else {
      this.hasHopByHop = true;
      if (kind === FieldKind.connection) this.#takeConnection(buffer, from, to);
      else if (kind === FieldKind.transferEncoding) this.#takeTransferEncoding(buffer, from, to);
      else if (kind === FieldKind.upgrade) this.hasUpgrade = true;
    }
  }

  /** When the last field was taken. */
  finish(): void {
    if (this.#isRequest && !this.#hasHost && this.minorVersion === 1) {
      throw new Http1Error(400, 'no Host');
    }
  }

  #takeHost(buffer: Buffer, from: number, to: number): void {
    if (this.#hasHost) throw new Http1Error(400, 'more than one Host');
    if (!isHost(buffer, from, to)) throw new Http1Error(400, 'Host is invalid');
    this.#hasHost = true;
  }

  #takeContentLength(buffer: Buffer, from: number, to: number): void {
    if (this.contentLength !== -1) throw new Http1Error(400, 'more than one Content-Length');
    if (this.isChunked) throw new Http1Error(400, 'Content-Length beside Transfer-Encoding');
    const digits = to - from;
    if (digits === 0 || digits > LENGTH_DIGITS_MAX) {
      throw new Http1Error(400, 'Content-Length is invalid');
    }
    let length = 0;
    for (let i = from; i < to; i++) {
      const digit = (buffer[i] as number) - 0x30;
      if (digit < 0 || digit > 9) throw new Http1Error(400, 'Content-Length is invalid');
      length = length * 10 + digit;
    }
    this.contentLength = length;
  }

  #takeTransferEncoding(buffer: Buffer, from: number, to: number): void {
    if (this.isChunked) throw new Http1Error(400, 'more than one Transfer-Encoding');
    if (this.contentLength !== -1) {
      throw new Http1Error(400, 'Transfer-Encoding beside Content-Length');
    }
    if (this.minorVersion === 0) throw new Http1Error(400, 'Transfer-Encoding in HTTP/1.0');
    if (!isWord(buffer, from, to, 'chunked')) {
      throw refusedCoding(latin1Text(buffer, from, to));
    }
    this.isChunked = true;
  }

  #takeExpect(buffer: Buffer, from: number, to: number): void {
    if (!isWord(buffer, from, to, '100-continue')) {
      throw new Http1Error(417, 'Expect is not 100-continue');
    }
    // RFC 9110 section 10.1.1: an HTTP/1.0 client does not know 100
    if (this.minorVersion === 1) this.expectsContinue = true;
  }

  #takeConnection(buffer: Buffer, from: number, to: number): void {
    let p = from;
    while (p < to) {
      let next = p;
      while (next < to && buffer[next] !== COMMA) next++;
      const first = skipBlank(buffer, p, next);
      const last = trimBlank(buffer, first, next);
      if (first < last) this.#takeOption(buffer, first, last);
      p = next + 1;
    }
  }

  #takeOption(buffer: Buffer, from: number, to: number): void {
    if (isWord(buffer, from, to, 'keep-alive')) this.#saysKeepAlive = true;
    else if (isWord(buffer, from, to, 'close')) this.#saysClose = true;
    else if (isWord(buffer, from, to, 'upgrade')) this.#saysUpgrade = true;
    else this.hasNamedFields = true;
  }
}

/** Whether buffer[from..to) is that lower-case word, whatever its case. */
function isWord(buffer: Buffer, from: number, to: number, word: string): boolean {
  if (to - from !== word.length) return false;
  for (let i = 0; i < word.length; i++) {
    const byte = buffer[from + i] as number;
    const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    if (lower !== word.charCodeAt(i)) return false;
  }
  return true;
}

/** 501 for what could be right elsewhere, 400 for what is wrong everywhere. */
function refusedCoding(value: string): Http1Error {
  const codings = value.toLowerCase().split(/[ \t]*,[ \t]*/);
  const chunkedAt = codings.indexOf('chunked');
  const isKnown =
    codings.every((coding) => CODINGS.has(coding)) &&
    (chunkedAt === -1 || chunkedAt === codings.length - 1);
  return isKnown
    ? new Http1Error(501, 'Transfer-Encoding is not supported')
    : new Http1Error(400, 'Transfer-Encoding is invalid');
}

export function skipBlank(buffer: Buffer, from: number, to: number): number {
  let p = from;
  while (p < to && (buffer[p] === SP || buffer[p] === TAB)) p++;
  return p;
}

/** The end of buffer[from..to) without blanks behind. */
export function trimBlank(buffer: Buffer, from: number, to: number): number {
  let p = to;
  while (p > from && (buffer[p - 1] === SP || buffer[p - 1] === TAB)) p--;
  return p;
}
