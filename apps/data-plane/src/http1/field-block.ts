import { HeaderList } from '@polygate/plugin-sdk';
import { COLON, CR, FIELD_VALUE, LF, SP, TAB, TOKEN_LOWER } from './byte-class.ts';
import { FieldKind, fieldNameAt, HASH_SEED, knownNameAt, type FieldName } from './field-name.ts';
import { Http1Error } from './http1-error.ts';
import { trimBlank, type MessageFraming } from './message-framing.ts';
import { controlIn, type Words } from './words.ts';

/** What `knownNameAt` may read. */
const WORDS_AHEAD = 12;

/** What the next byte belongs to. */
const LINE_START = 0;
const NAME = 1;
const BLANK_BEFORE_VALUE = 2;
const VALUE = 3;
const LINE_FEED = 4;
const LAST_LINE_FEED = 5;

/**
 * The lines `name: value` up to the empty line. Goes on from where it stood, at any byte, and refuses
 * at the byte that is wrong. Keeps only positions (relative to `base`, so that the bytes may move)
 * until `takeHeaders` makes strings of them.
 */
export class FieldBlock {
  readonly #fieldsMax: number;
  readonly #keepsUnderscores: boolean;
  /** Undefined for trailers: they frame nothing. */
  readonly #framing: MessageFraming | undefined;
  readonly #names: FieldName[] = [];
  /** From and to of each value, relative to `base`. */
  readonly #values: number[] = [];
  #state = LINE_START;
  /** Of the name or value that is being read, relative to `base`. */
  #mark = 0;
  #hash = HASH_SEED;
  /** Lines begun, dropped ones included. */
  #lines = 0;
  /** Fields kept. */
  #count = 0;
  #name: FieldName | undefined = undefined;

  constructor(fieldsMax: number, keepsUnderscores: boolean, framing: MessageFraming | undefined) {
    this.#fieldsMax = fieldsMax;
    this.#keepsUnderscores = keepsUnderscores;
    this.#framing = framing;
  }

  reset(): void {
    this.#state = LINE_START;
    this.#lines = 0;
    this.#count = 0;
  }

  /**
   * Reads buffer[from..end). The offset behind the empty line, or -1 when all was read before it. All
   * that was read before must still be there, from `base` on.
   */
  scan(buffer: Buffer, base: number, from: number, end: number, words?: Words): number {
    let p = from;
    let state = this.#state;
    while (p < end) {
      if (state === LINE_START) {
        if (words !== undefined) {
          p = this.#scanKnownLines(buffer, words, base, p, end);
          if (p === end) break;
        }
        if (buffer[p] === CR) {
          p++;
          state = LAST_LINE_FEED;
        } else {
          if (this.#lines === this.#fieldsMax) throw new Http1Error(431, 'too many header fields');
          this.#lines++;
          this.#mark = p - base;
          this.#hash = HASH_SEED;
          state = NAME;
        }
      }
      if (state === NAME) {
        p = this.#scanName(buffer, base, p, end);
        if (p === end) break;
        if (buffer[p] !== COLON) throw badNameByte(buffer[p] as number);
        this.#endName(buffer, base + this.#mark, p);
        p++;
        state = BLANK_BEFORE_VALUE;
      }
      if (state === BLANK_BEFORE_VALUE) {
        while (p < end && (buffer[p] === SP || buffer[p] === TAB)) p++;
        if (p === end) break;
        this.#mark = p - base;
        state = VALUE;
      }
      if (state === VALUE) {
        while (p < end && FIELD_VALUE[buffer[p] as number] === 1) p++;
        if (p === end) break;
        if (buffer[p] !== CR) throw badValueByte(buffer[p] as number);
        const name = this.#name;
        if (name !== undefined) this.#addField(name, buffer, base, base + this.#mark, p);
        p++;
        state = LINE_FEED;
        if (p === end) break;
      }
      if (state === LINE_FEED) {
        if (buffer[p] !== LF) throw new Http1Error(400, 'CR without LF');
        p++;
        state = LINE_START;
      } else if (state === LAST_LINE_FEED && p < end) {
        if (buffer[p] !== LF) throw new Http1Error(400, 'CR without LF');
        this.#framing?.finish();
        return p + 1;
      }
    }
    this.#state = state;
    return -1;
  }

  /**
   * The fields as a list of its own. `text` is the Latin-1 text of the bytes from `base` on; values are
   * cut out of it, and where they are long they keep all of it alive.
   */
  takeHeaders(text: string): HeaderList {
    const headers = new HeaderList();
    const names = this.#names;
    const values = this.#values;
    for (let i = 0; i < this.#count; i++) {
      const name = names[i] as FieldName;
      const value = text.substring(values[2 * i] as number, values[2 * i + 1]);
      headers.appendKnown(name.spelled, name.lower, value);
    }
    return headers;
  }

  /**
   * Takes lines that lie here whole, with names as expected and nothing to object to: nearly all. The
   * first that is otherwise is left to the careful way, which alone refuses. The start of that line.
   */
  #scanKnownLines(buffer: Buffer, words: Words, base: number, from: number, end: number): number {
    let p = from;
    while (p + WORDS_AHEAD <= end && this.#lines < this.#fieldsMax) {
      const name = knownNameAt(words.view, p, end);
      if (name === undefined) return p;
      let at = p + name.length + 1;
      if (buffer[at] === SP) at++;
      if (buffer[at] === SP || buffer[at] === TAB) return p;
      const lineEnd = controlIn(words, buffer, at, end);
      if (lineEnd + 1 >= end || buffer[lineEnd] !== CR || buffer[lineEnd + 1] !== LF) return p;
      this.#lines++;
      this.#addField(name, buffer, base, at, lineEnd);
      p = lineEnd + 2;
    }
    return p;
  }

  #scanName(buffer: Buffer, base: number, from: number, end: number): number {
    let p = from;
    let hash = this.#hash;
    while (p < end) {
      const lower = TOKEN_LOWER[buffer[p] as number] as number;
      if (lower === 0) break;
      hash = (Math.imul(hash, 31) + lower) | 0;
      p++;
    }
    if (p < end && p === base + this.#mark) throw badNameStart(buffer[p] as number);
    this.#hash = hash;
    return p;
  }

  #endName(buffer: Buffer, from: number, to: number): void {
    const name = fieldNameAt(buffer, from, to, this.#hash);
    const isDropped = !this.#keepsUnderscores && name.lower.includes('_');
    this.#name = isDropped ? undefined : name;
  }

  /** `end`: of the value with the blanks behind it. */
  #addField(name: FieldName, buffer: Buffer, base: number, from: number, end: number): void {
    const to = trimBlank(buffer, from, end);
    const at = this.#count++;
    this.#names[at] = name;
    this.#values[2 * at] = from - base;
    this.#values[2 * at + 1] = to - base;
    if (name.kind !== FieldKind.plain) this.#framing?.take(name.kind, buffer, from, to);
  }
}

function badNameStart(byte: number): Http1Error {
  if (byte === SP || byte === TAB) return new Http1Error(400, 'folded header field');
  if (byte === COLON) return new Http1Error(400, 'header field without a name');
  return badNameByte(byte);
}

function badNameByte(byte: number): Http1Error {
  if (byte === SP || byte === TAB) return new Http1Error(400, 'blank in a header field name');
  if (byte === LF) return new Http1Error(400, 'LF without CR');
  if (byte === CR) return new Http1Error(400, 'header field without a colon');
  return new Http1Error(400, 'header field name is invalid');
}

function badValueByte(byte: number): Http1Error {
  if (byte === LF) return new Http1Error(400, 'LF without CR');
  return new Http1Error(400, 'control character in a header field');
}
