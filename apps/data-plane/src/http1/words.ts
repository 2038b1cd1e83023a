import { endianness } from 'node:os';
import { TAB } from './byte-class.ts';

/** The bytes of a buffer, four at a time. */
export interface Words {
  /** Of the buffer, for reading at any position. */
  readonly view: DataView;
  /** Of all the memory that the buffer is a part of: half the cost of `view`, at every fourth byte. */
  readonly aligned: Int32Array;
  /** Where in that memory the buffer begins. */
  readonly offset: number;
}

/** Views cost about as much as they save on a head that is shorter. */
const BYTES_MIN = 384;
const IS_LITTLE_ENDIAN = endianness() === 'LE';
/** Makes the bytes harmless that stand in a word before the one at position 0 to 3. */
const BEFORE = Int32Array.of(0, 0x80, 0x8080, 0x808080);

/** Connections read into buffers of at least this size again and again. */
const READ_BUFFER_BYTES = 64 * 1024;

let lastBuffer: Buffer | undefined;
let lastWords: Words | undefined;
const wordsOfReadBuffer = new WeakMap<Buffer, Words>();

/** Undefined where making the views would not pay. Those of read buffers are kept. */
export function wordsOf(buffer: Buffer, byteCount: number): Words | undefined {
  if (buffer === lastBuffer) return (lastWords ??= makeWords(buffer));
  lastBuffer = buffer;
  lastWords =
    buffer.length >= READ_BUFFER_BYTES
      ? keptWords(buffer)
      : byteCount < BYTES_MIN
        ? undefined
        : makeWords(buffer);
  return lastWords;
}

function keptWords(buffer: Buffer): Words | undefined {
  const known = wordsOfReadBuffer.get(buffer);
  if (known !== undefined) return known;
  const words = makeWords(buffer);
  if (words !== undefined) wordsOfReadBuffer.set(buffer, words);
  return words;
}

function makeWords(buffer: Buffer): Words | undefined {
  if (!IS_LITTLE_ENDIAN) return undefined;
  const { byteLength } = buffer.buffer;
  return {
    view: new DataView(buffer.buffer, buffer.byteOffset, buffer.length),
    aligned: new Int32Array(buffer.buffer, 0, byteLength >>> 2),
    offset: buffer.byteOffset,
  };
}

/**
 * The first byte in [from..end) that is a control character other than HTAB: where a field value ends,
 * or is wrong. `end`: none among those that lie in whole words; up to three at the end are not looked
 * at. Adding 1 and 0x5f to the low seven bits of each byte tells, in the top bits and without a carry,
 * which are 0x7f or below 0x20.
 */
export function controlIn(words: Words, buffer: Buffer, from: number, end: number): number {
  const { aligned, offset } = words;
  const last = (end + offset - 4) >> 2;
  let at = (from + offset) >> 2;
  if (at > last) return end;
  let word = (aligned[at] as number) | (BEFORE[(from + offset) & 3] as number);
  for (;;) {
    const low = (word & 0x7f7f7f7f) + 0x01010101;
    let found = ~(((low + 0x5f5f5f5f) & ~low) | word) & 0x80808080;
    while (found !== 0) {
      const p = (at << 2) + ((31 - Math.clz32(found & -found)) >>> 3) - offset;
      if (buffer[p] !== TAB) return p;
      found &= found - 1;
    }
    if (++at > last) return end;
    word = aligned[at] as number;
  }
}
