/** Strings up to this many characters are copied here faster than a call into Node does it. */
const COPIED_CHARACTERS_MAX = 64;
const VARINT_BYTES_MAX = 5;
const FIRST_BYTES = 16 * 1024;
/** More is given back: a call with a large header must not hold memory for ever. */
const KEPT_BYTES_MAX = 512 * 1024;

/**
 * Writes protobuf into memory that is used again and again. The generated encoder makes an object and
 * an encoded copy of each string, which is most of what a plugin call costs on this side.
 */
export class FrameWriter {
  #buffer = Buffer.allocUnsafe(FIRST_BYTES);
  #end = 0;

  /** Forgets what was written. */
  start(): void {
    this.#end = 0;
    if (this.#buffer.length > KEPT_BYTES_MAX) this.#buffer = Buffer.allocUnsafe(FIRST_BYTES);
  }

  /** What was written since `start`, in memory of its own. */
  finish(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#end));
  }

  /** `tag`: field number and wire type, below 128. Nothing for 0, which is what absence says. */
  number(tag: number, value: number): void {
    if (value === 0) return;
    this.#room(1 + VARINT_BYTES_MAX);
    this.#buffer[this.#end++] = tag;
    this.#end = writeVarint(this.#buffer, this.#end, value);
  }

  /** Also where it is empty. */
  text(tag: number, value: string): void {
    const { length } = value;
    this.#room(1 + VARINT_BYTES_MAX + length * 3);
    const buffer = this.#buffer;
    const start = this.#end;
    buffer[start] = tag;
    if (length <= COPIED_CHARACTERS_MAX) {
      let at = start + 2;
      for (let i = 0; i < length; i++) {
        const code = value.charCodeAt(i);
        if (code > 0x7f) break;
        buffer[at++] = code;
      }
      if (at - start - 2 === length) {
        buffer[start + 1] = length;
        this.#end = at;
        return;
      }
    }
    const bytes = Buffer.byteLength(value);
    this.#end = writeVarint(buffer, start + 1, bytes);
    this.#end += buffer.write(value, this.#end, 'utf8');
  }

  /** Nothing for an empty one. */
  textUnlessEmpty(tag: number, value: string): void {
    if (value !== '') this.text(tag, value);
  }

  /** Also where it is empty. */
  bytes(tag: number, value: Uint8Array): void {
    this.head(tag, value.length);
    this.raw(value);
  }

  /** Before `length` bytes that are written elsewhere. */
  head(tag: number, length: number): void {
    this.#room(1 + VARINT_BYTES_MAX);
    this.#buffer[this.#end++] = tag;
    this.#end = writeVarint(this.#buffer, this.#end, length);
  }

  /** Fields that are encoded already. */
  raw(fields: Uint8Array): void {
    this.#room(fields.length);
    this.#buffer.set(fields, this.#end);
    this.#end += fields.length;
  }

  /** A message within the message; `close` takes what this returns. `sizeGuess` spares moving it. */
  open(tag: number, sizeGuess: number): number {
    this.#room(1 + VARINT_BYTES_MAX);
    this.#buffer[this.#end++] = tag;
    const mark = this.#end;
    this.#end += varintBytes(sizeGuess);
    return mark * 8 + varintBytes(sizeGuess);
  }

  close(opened: number): void {
    const reserved = opened % 8;
    const mark = (opened - reserved) / 8;
    const start = mark + reserved;
    const length = this.#end - start;
    const needed = varintBytes(length);
    if (needed !== reserved) {
      this.#room(VARINT_BYTES_MAX);
      this.#buffer.copyWithin(mark + needed, start, this.#end);
      this.#end += needed - reserved;
    }
    writeVarint(this.#buffer, mark, length);
  }

  #room(bytes: number): void {
    if (this.#end + bytes <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#end + bytes));
    this.#buffer.copy(grown, 0, 0, this.#end);
    this.#buffer = grown;
  }
}

/** Behind the last byte written. */
function writeVarint(buffer: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest > 0x7f) {
    buffer[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[at++] = rest;
  return at;
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}
