import { constants, crc32, deflateRawSync } from 'node:zlib';

/** Magic, deflate, no flags, no time, no hints, Unix: what nginx writes. */
const HEAD = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
/** An empty final block. */
const LAST_BLOCK = Buffer.from([0x03, 0x00]);
const NOTHING = Buffer.alloc(0);
const WINDOW_BYTES = 32_768;
/** A state made for less memory: for little text making the state costs more than the work. */
const SMALL_BYTES = 1024;
const SMALL_STATE = { windowBits: 10, memLevel: 4 };

/**
 * Writes gzip chunk by chunk, synchronously, by Node's public API alone. Each chunk is deflated by
 * itself and flushed to a whole byte; such pieces one after the other are one deflate stream. The chunk
 * before is given as a dictionary, since the reader has it in its window. Between chunks there is no
 * state that needs closing: an answer that is cut off leaks nothing.
 */
export class GzipWriter {
  readonly #level: number;
  #crc = 0;
  #bytes = 0;
  #before: Buffer | undefined = undefined;

  constructor(level: number) {
    this.#level = level;
  }

  /** The chunk has to stay as it is until the next call. */
  write(chunk: Buffer, last: boolean): Buffer {
    const pieces: Buffer[] = this.#before === undefined ? [HEAD] : [];
    if (chunk.length > 0) pieces.push(this.#deflate(chunk));
    this.#before = chunk.length > 0 ? chunk : (this.#before ?? NOTHING);
    if (last) pieces.push(LAST_BLOCK, this.#trailer());
    return pieces.length === 1 ? (pieces[0] ?? NOTHING) : Buffer.concat(pieces);
  }

  #deflate(chunk: Buffer): Buffer {
    this.#crc = crc32(chunk, this.#crc);
    this.#bytes += chunk.length;
    const dictionary = this.#before?.subarray(-WINDOW_BYTES) ?? NOTHING;
    return deflateRawSync(chunk, {
      level: this.#level,
      finishFlush: constants.Z_SYNC_FLUSH,
      ...(dictionary.length > 0 ? { dictionary } : {}),
      ...(chunk.length + dictionary.length <= SMALL_BYTES ? SMALL_STATE : {}),
    });
  }

  /** CRC and size modulo 2³². */
  #trailer(): Buffer {
    const trailer = Buffer.allocUnsafe(8);
    trailer.writeUInt32LE(this.#crc, 0);
    trailer.writeUInt32LE(this.#bytes % 2 ** 32, 4);
    return trailer;
  }
}
