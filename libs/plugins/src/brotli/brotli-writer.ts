import { brotliCompressSync, constants } from 'node:zlib';
import type { BrotliConf } from './brotli.schema.ts';

const {
  BROTLI_OPERATION_FLUSH,
  BROTLI_PARAM_LGBLOCK,
  BROTLI_PARAM_LGWIN,
  BROTLI_PARAM_MODE,
  BROTLI_PARAM_QUALITY,
} = constants;

export interface BrotliSettings {
  readonly params: Readonly<Record<number, number>>;
  /** So much is compressed of one body: the event loop stands still meanwhile, for about 25 ms. */
  readonly bytesMax: number;
}

/** An empty last metablock (RFC 7932, section 9.2). */
const LAST_METABLOCK = Buffer.from([0x03]);
const NOTHING = Buffer.alloc(0);
/** What four nibbles of length can say. */
const RAW_BYTES_MAX = 65_536;
const RAW_HEAD_BYTES = 3;

export function brotliSettings(conf: BrotliConf): BrotliSettings {
  const { mode, comp_level: level, lgwin, lgblock } = conf;
  return {
    params: {
      [BROTLI_PARAM_MODE]: mode,
      [BROTLI_PARAM_QUALITY]: level,
      [BROTLI_PARAM_LGWIN]: lgwin,
      [BROTLI_PARAM_LGBLOCK]: lgblock,
    },
    bytesMax: level < 5 ? 1_048_576 : level < 10 ? 262_144 : 65_536,
  };
}

/**
 * Writes brotli, synchronously. Unlike deflate, a stream cannot be made of pieces that were compressed
 * by themselves: a piece goes by distances and letters of the one before. So the first part of a body
 * is held back and compressed whole; what comes after `bytesMax` follows in metablocks as it is.
 */
export class BrotliWriter {
  readonly #settings: BrotliSettings;
  /** Undefined: compressed already. */
  #held: Buffer[] | undefined = [];
  #heldBytes = 0;

  constructor(settings: BrotliSettings) {
    this.#settings = settings;
  }

  /** The chunk has to stay as it is until it is written. */
  write(chunk: Buffer, last: boolean): Buffer {
    if (this.#held === undefined) {
      return Buffer.concat([...rawMetablocks(chunk), last ? LAST_METABLOCK : NOTHING]);
    }
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    const { params, bytesMax } = this.#settings;
    if (!last && this.#heldBytes < bytesMax) return NOTHING;
    const held = Buffer.concat(this.#held, this.#heldBytes);
    this.#held = undefined;
    if (last && held.length <= bytesMax) return brotliCompressSync(held, { params });
    const finishFlush = BROTLI_OPERATION_FLUSH;
    return Buffer.concat([
      brotliCompressSync(held.subarray(0, bytesMax), { params, finishFlush }),
      ...rawMetablocks(held.subarray(bytesMax)),
      last ? LAST_METABLOCK : NOTHING,
    ]);
  }
}

/** Head and bytes of each. The output before ends with a whole byte. */
function rawMetablocks(bytes: Buffer): Buffer[] {
  const metablocks: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += RAW_BYTES_MAX) {
    const part = bytes.subarray(start, start + RAW_BYTES_MAX);
    const head = Buffer.allocUnsafe(RAW_HEAD_BYTES);
    // from the lowest bit: not last, four nibbles, length - 1, uncompressed
    head.writeUIntLE(((part.length - 1) << 3) | (1 << 19), 0, RAW_HEAD_BYTES);
    metablocks.push(head, part);
  }
  return metablocks;
}
