const FIRST_BYTES = 512;

/**
 * The bytes of a head that comes in pieces, put together. Grows by doubling up to a bound, so that a
 * client that drips costs time in proportion to what it sends.
 */
export class HeldBytes {
  buffer: Buffer;
  length = 0;
  readonly #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.buffer = Buffer.allocUnsafeSlow(Math.min(FIRST_BYTES, bytesMax));
  }

  /** Takes as much of from[start..end) as there is room for below the bound. */
  append(from: Buffer, start: number, end: number): void {
    const length = Math.min(this.length + (end - start), this.#bytesMax);
    if (length > this.buffer.length) {
      const size = Math.min(Math.max(length, 2 * this.buffer.length), this.#bytesMax);
      const larger = Buffer.allocUnsafeSlow(size);
      this.buffer.copy(larger, 0, 0, this.length);
      this.buffer = larger;
    }
    from.copy(this.buffer, this.length, start, start + (length - this.length));
    this.length = length;
  }
}
