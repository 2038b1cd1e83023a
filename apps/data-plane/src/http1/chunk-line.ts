import { CR, HEX_PLUS_ONE, LF, SEMICOLON, SP, TAB, TOKEN_LOWER } from './byte-class.ts';
import { Http1Error } from './http1-error.ts';

const SIZE_DIGITS_MAX = 15;
const LINE_BYTES_MAX = 256;
/** All extensions of one body: nobody needs them, and each byte of data can come with 250 of theirs. */
const EXTENSION_BYTES_MAX = 16 * 1024;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** What the next byte belongs to. */
const SIZE = 0;
const EXTENSION_NAME = 1;
const EXTENSION_VALUE = 2;
const TOKEN_VALUE = 3;
const QUOTED = 4;
const ESCAPED = 5;
const QUOTE_END = 6;
const LINE_END = 7;

/**
 * `size *( ";" name [ "=" value ] ) CRLF` of RFC 9112 section 7.1, read on from any byte. Extensions
 * are checked and dropped. Blanks around them, which section 7.1.1 calls bad, are refused.
 */
export class ChunkLine {
  /** Bytes of data that follow; 0: the last chunk. */
  size = 0;
  #state = SIZE;
  #digits = 0;
  #lineBytes = 0;
  /** Of an extension's name: it may not be empty. */
  #nameBytes = 0;
  #extensionBytes = 0;

  /** Before the first chunk of a body. */
  reset(): void {
    this.#extensionBytes = 0;
    this.begin();
  }

  /** Before each further chunk. */
  begin(): void {
    this.size = 0;
    this.#state = SIZE;
    this.#digits = 0;
    this.#lineBytes = 0;
  }

  /** Reads buffer[from..end): the offset behind the line, or -1 when all was read before its end. */
  scan(buffer: Buffer, from: number, end: number): number {
    let p = from;
    if (this.#state === SIZE) {
      p = this.#scanSize(buffer, p, end);
      if (p === end) return -1;
    }
    while (p < end) {
      const byte = buffer[p++] as number;
      if (this.#state === LINE_END) {
        if (byte !== LF) throw new Http1Error(400, 'CR without LF in a chunk');
        return p;
      }
      this.#takeExtensionByte(byte);
    }
    return -1;
  }

  #scanSize(buffer: Buffer, from: number, end: number): number {
    let p = from;
    while (p < end) {
      const byte = buffer[p] as number;
      const digit = (HEX_PLUS_ONE[byte] as number) - 1;
      if (digit === -1) {
        if (this.#digits === 0) throw new Http1Error(400, 'chunk size is missing');
        if (byte === CR) this.#state = LINE_END;
        else if (byte === SEMICOLON) this.#beginExtension();
        else throw new Http1Error(400, 'chunk size is invalid');
        this.#lineBytes = this.#digits;
        return p + 1;
      }
      if (this.#digits === SIZE_DIGITS_MAX) throw new Http1Error(400, 'chunk size is too long');
      this.#digits++;
      this.size = this.size * 16 + digit;
      if (this.size > Number.MAX_SAFE_INTEGER) throw new Http1Error(400, 'chunk size is too large');
      p++;
    }
    return p;
  }

  #beginExtension(): void {
    this.#state = EXTENSION_NAME;
    this.#nameBytes = 0;
  }

  #takeExtensionByte(byte: number): void {
    this.#lineBytes++;
    this.#extensionBytes++;
    if (this.#lineBytes > LINE_BYTES_MAX || this.#extensionBytes > EXTENSION_BYTES_MAX) {
      throw new Http1Error(400, 'chunk extensions are too long');
    }
    const isToken = TOKEN_LOWER[byte] !== 0;
    const state = this.#state;
    if (state === EXTENSION_NAME) {
      if (isToken) this.#nameBytes++;
      else if (this.#nameBytes === 0) throw badExtension();
      else if (byte === EQUALS) this.#state = EXTENSION_VALUE;
      else this.#endExtension(byte);
    } else if (state === EXTENSION_VALUE) {
      if (byte !== QUOTE && !isToken) throw badExtension();
      this.#state = isToken ? TOKEN_VALUE : QUOTED;
    } else if (state === TOKEN_VALUE) {
      if (!isToken) this.#endExtension(byte);
    } else if (state === QUOTE_END) {
      this.#endExtension(byte);
    } else {
      this.#takeQuotedByte(byte);
    }
  }

  #takeQuotedByte(byte: number): void {
    if ((byte < SP && byte !== TAB) || byte === 0x7f) throw badExtension();
    if (this.#state === ESCAPED) this.#state = QUOTED;
    else if (byte === BACKSLASH) this.#state = ESCAPED;
    else if (byte === QUOTE) this.#state = QUOTE_END;
  }

  #endExtension(byte: number): void {
    if (byte === SEMICOLON) this.#beginExtension();
    else if (byte === CR) this.#state = LINE_END;
    else throw badExtension();
  }
}

function badExtension(): Http1Error {
  return new Http1Error(400, 'chunk extension is invalid');
}
