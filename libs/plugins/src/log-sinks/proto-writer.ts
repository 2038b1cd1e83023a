const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;

const FIRST_BYTES = 256;
/** A tag and a length take no more than this. */
const HEAD_BYTES_MAX = 12;

/** Writes one message of Protocol Buffers; `field` is a field's number. */
export class ProtoWriter {
  #buffer = Buffer.allocUnsafe(FIRST_BYTES);
  #length = 0;

  bytes(field: number, value: Buffer): void {
    this.#reserve(HEAD_BYTES_MAX + value.length);
    this.#tag(field, LENGTH_DELIMITED);
    this.#varint(value.length);
    this.#length += value.copy(this.#buffer, this.#length);
  }

  text(field: number, value: string): void {
    const bytes = Buffer.byteLength(value);
    this.#reserve(HEAD_BYTES_MAX + bytes);
    this.#tag(field, LENGTH_DELIMITED);
    this.#varint(bytes);
    this.#length += this.#buffer.write(value, this.#length);
  }

  /** 0 to 2^53 - 1. */
  number(field: number, value: number): void {
    this.#reserve(HEAD_BYTES_MAX);
    this.#tag(field, VARINT);
    this.#varint(value);
  }

  double(field: number, value: number): void {
    this.#reserve(HEAD_BYTES_MAX);
    this.#tag(field, FIXED64);
    this.#length = this.#buffer.writeDoubleLE(value, this.#length);
  }

  nanoseconds(field: number, timeMs: number): void {
    this.#reserve(HEAD_BYTES_MAX);
    this.#tag(field, FIXED64);
    // whole microseconds, which is as exact as clocks are here
    const nanoseconds = BigInt(Math.round(timeMs * 1000)) * 1000n;
    this.#length = this.#buffer.writeBigUInt64LE(nanoseconds, this.#length);
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #tag(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  #varint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#length++] = rest;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
