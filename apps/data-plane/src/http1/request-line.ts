import { CR, latin1Text, LF, METHOD, SP, TARGET } from './byte-class.ts';
import { isHost } from './host-syntax.ts';
import { Http1Error } from './http1-error.ts';

const METHOD_BYTES_MAX = 32;
const VERSION_BYTES = 8;
const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'PRI'];
/** nginx answers 405 to both whatever the configuration: neither has a meaning at a gateway. */
const METHODS_REFUSED = new Set(['CONNECT', 'TRACE']);
const HTTP = [0x48, 0x54, 0x54, 0x50, 0x2f];
const DOT = 0x2e;
const SLASH = 0x2f;
const ASTERISK = 0x2a;
const QUESTION_MARK = 0x3f;

/** What the next byte belongs to. */
const IN_METHOD = 0;
const TARGET_START = 1;
const IN_TARGET = 2;
const IN_VERSION = 3;
const LINE_END = 4;
const PREFACE_END = 5;

/** `method SP target SP HTTP/1.x CRLF`, read on from any byte. Positions are relative to `base`. */
export class RequestLine {
  method = '';
  targetFrom = 0;
  targetTo = 0;
  minorVersion: 0 | 1 = 1;
  /** `PRI * HTTP/2.0` and the empty line behind it. */
  isHttp2Preface = false;
  readonly #targetBytesMax: number;
  #state = IN_METHOD;
  #isHttp2 = false;
  /** Bytes of the version that were read. */
  #versionBytes = 0;
  #major = 0;
  #minor = 0;

  constructor(targetBytesMax: number) {
    this.#targetBytesMax = targetBytesMax;
  }

  reset(): void {
    this.#state = IN_METHOD;
    this.#versionBytes = 0;
    this.#isHttp2 = false;
    this.isHttp2Preface = false;
  }

  /** Reads buffer[from..end): the offset behind the line, or -1 when all was read before its end. */
  scan(buffer: Buffer, base: number, from: number, end: number): number {
    let p = from;
    if (this.#state === IN_METHOD) p = this.#scanMethod(buffer, base, p, end);
    if (this.#state === TARGET_START && p < end) {
      if (!startsTarget(buffer[p] as number)) throw new Http1Error(400, 'target is invalid');
      this.targetFrom = p - base;
      this.#state = IN_TARGET;
    }
    if (this.#state === IN_TARGET) p = this.#scanTarget(buffer, base, p, end);
    if (this.#state === IN_VERSION) p = this.#scanVersion(buffer, p, end);
    if (this.#state === LINE_END && p < end) {
      if (buffer[p] !== LF) throw new Http1Error(400, 'CR without LF');
      p++;
      this.#endLine(buffer, base);
      if (!this.#isHttp2) return p;
      this.#state = PREFACE_END;
    }
    if (this.#state === PREFACE_END) return this.#scanPrefaceEnd(buffer, p, end);
    return -1;
  }

  #scanMethod(buffer: Buffer, base: number, from: number, end: number): number {
    const limit = Math.min(end, base + METHOD_BYTES_MAX + 1);
    let p = from;
    while (p < limit && METHOD[buffer[p] as number] === 1) p++;
    if (p - base > METHOD_BYTES_MAX) throw new Http1Error(400, 'method is too long');
    if (p === end) return p;
    if (p === base || buffer[p] !== SP) throw new Http1Error(400, 'method is invalid');
    this.method = methodAt(buffer, base, p);
    this.#state = TARGET_START;
    return p + 1;
  }

  #scanTarget(buffer: Buffer, base: number, from: number, end: number): number {
    const bound = base + this.targetFrom + this.#targetBytesMax;
    const limit = Math.min(end, bound + 1);
    let p = from;
    while (p < limit && TARGET[buffer[p] as number] === 1) p++;
    if (p > bound) throw new Http1Error(414, 'target is too long');
    if (p === end) return p;
    if (buffer[p] !== SP) throw badTargetByte(buffer[p] as number);
    this.targetTo = p - base;
    const start = base + this.targetFrom;
    if (buffer[start] !== SLASH && !isStarOrAbsolute(buffer, start, p)) {
      throw new Http1Error(400, 'target is invalid');
    }
    this.#state = IN_VERSION;
    return p + 1;
  }

  #scanVersion(buffer: Buffer, from: number, end: number): number {
    let p = from;
    let at = this.#versionBytes;
    while (p < end && at < VERSION_BYTES) this.#takeVersionByte(at++, buffer[p++] as number);
    this.#versionBytes = at;
    if (p === end) return p;
    if (buffer[p] !== CR) throw new Http1Error(400, 'HTTP version is invalid');
    this.#state = LINE_END;
    return p + 1;
  }

  #takeVersionByte(at: number, byte: number): void {
    if (at === 5 || at === 7) {
      const digit = byte - 0x30;
      if (digit < 0 || digit > 9) throw new Http1Error(400, 'HTTP version is invalid');
      if (at === 5) this.#major = digit;
      else this.#minor = digit;
    } else if (byte !== (at === 6 ? DOT : HTTP[at])) {
      throw new Http1Error(400, 'HTTP version is invalid');
    }
  }

  #endLine(buffer: Buffer, base: number): void {
    if (this.#major === 1 && this.#minor <= 1) {
      // RFC 9113 section 3.4: PRI is for HTTP/2 alone
      if (this.method === 'PRI') throw new Http1Error(400, 'method is reserved');
      this.minorVersion = this.#minor === 1 ? 1 : 0;
      return;
    }
    this.#isHttp2 =
      this.#major === 2 &&
      this.#minor === 0 &&
      this.method === 'PRI' &&
      buffer[base + this.targetFrom] === ASTERISK;
    if (!this.#isHttp2) throw new Http1Error(505, 'HTTP version is not supported');
    this.minorVersion = 1;
  }

  #scanPrefaceEnd(buffer: Buffer, from: number, end: number): number {
    let p = from;
    if (p < end && !this.isHttp2Preface) {
      if (buffer[p] !== CR) throw new Http1Error(505, 'HTTP version is not supported');
      this.isHttp2Preface = true;
      p++;
    }
    if (p === end) return -1;
    if (buffer[p] !== LF) throw new Http1Error(400, 'CR without LF');
    return p + 1;
  }
}

/** `/`, a scheme's letter, or `*`: what nginx takes, and the form that OPTIONS may have. */
function startsTarget(byte: number): boolean {
  return byte === SLASH || isLetter(byte) || byte === ASTERISK;
}

function isLetter(byte: number): boolean {
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

/** `*`, or `scheme://authority` and what may follow. Userinfo is refused, RFC 9110 section 4.2.4. */
function isStarOrAbsolute(buffer: Buffer, from: number, to: number): boolean {
  if (buffer[from] === ASTERISK) return to === from + 1;
  let p = from;
  while (p < to && isLetter(buffer[p] as number)) p++;
  if (p + 3 >= to || latin1Text(buffer, p, p + 3) !== '://') return false;
  const authority = p + 3;
  let end = authority;
  while (end < to && buffer[end] !== SLASH && buffer[end] !== QUESTION_MARK) end++;
  return end > authority && isHost(buffer, authority, end);
}

function badTargetByte(byte: number): Http1Error {
  const isEnd = byte === CR || byte === LF;
  return new Http1Error(400, isEnd ? 'no HTTP version' : 'control character in the target');
}

/** Without making a string of the methods that nearly all requests have. Throws on those refused. */
function methodAt(buffer: Buffer, from: number, to: number): string {
  for (const method of METHODS) {
    if (method.length === to - from && isAt(buffer, from, method)) return method;
  }
  const method = latin1Text(buffer, from, to);
  if (METHODS_REFUSED.has(method)) throw new Http1Error(405, 'method is not allowed');
  return method;
}

function isAt(buffer: Buffer, from: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) {
    if (buffer[from + i] !== word.charCodeAt(i)) return false;
  }
  return true;
}
