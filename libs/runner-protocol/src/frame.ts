import { ProtocolError } from './errors.ts';

/** First byte of a frame (APISIX `constants.lua`, `RPC_*`). */
export const FrameType = {
  ERROR: 0,
  PREPARE_CONF: 1,
  HTTP_REQ_CALL: 2,
  EXTRA_INFO: 3,
  HTTP_RESP_CALL: 4,
} as const;

export const FRAME_HEADER_BYTES = 4;
/** The length field has 24 bits. */
export const FRAME_PAYLOAD_BYTES_MAX = 0xff_ffff;

export interface Frame {
  /** One of `FrameType`. */
  readonly type: number;
  /** May be a view into the chunk it came in: valid until the next `push`. */
  readonly payload: Buffer;
}

/**
 * One frame as it goes on the wire: type, length in 3 bytes big endian, payload.
 *
 * @throws {ProtocolError} `TOO_LARGE`, with the text APISIX logs (`ext-plugin/init.lua`, `send`).
 */
export function encodeFrame(type: number, payload: Uint8Array): Buffer {
  const payloadBytes = payload.byteLength;
  requireFits(payloadBytes);
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payloadBytes);
  writeFrameHeader(frame, type);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/**
 * Fills in the first bytes of `frame`, whose payload is the rest of it.
 *
 * @throws {ProtocolError} `TOO_LARGE`
 */
export function writeFrameHeader(frame: Buffer, type: number): void {
  const payloadBytes = frame.length - FRAME_HEADER_BYTES;
  requireFits(payloadBytes);
  frame[0] = type;
  frame.writeUIntBE(payloadBytes, 1, 3);
}

function requireFits(payloadBytes: number): void {
  if (payloadBytes <= FRAME_PAYLOAD_BYTES_MAX) return;
  throw new ProtocolError(
    'TOO_LARGE',
    `the max length of data is ${FRAME_PAYLOAD_BYTES_MAX} but got ${payloadBytes}`,
  );
}

const GATHERED_BYTES_MIN = 1024;

/**
 * Cuts a byte stream into frames. Keeps at most one unfinished frame, in a buffer that grows with
 * the bytes that really came, not with the length a header claims.
 */
export class FrameDecoder {
  readonly #payloadBytesMax: number;
  #gathered = Buffer.alloc(0);
  #gatheredBytes = 0;

  constructor(payloadBytesMax = FRAME_PAYLOAD_BYTES_MAX) {
    this.#payloadBytesMax = payloadBytesMax;
  }

  /** Bytes of an unfinished frame. Above 0 at the end of a stream: the peer broke off. */
  get unfinishedBytes(): number {
    return this.#gatheredBytes;
  }

  /**
   * Takes the next bytes and returns the frames they complete, in order.
   *
   * @throws {ProtocolError} `TOO_LARGE` as soon as a header claims more than `payloadBytesMax`,
   *   `MALFORMED` as soon as it names a type the protocol has not: whoever sends garbage must not
   *   keep a call waiting for the megabytes it seems to promise. The stream has no use after that.
   */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let position = this.#gatheredBytes === 0 ? 0 : this.#finishGathered(chunk, frames);
    while (chunk.length - position >= FRAME_HEADER_BYTES) {
      const end = position + FRAME_HEADER_BYTES + this.#payloadBytes(chunk, position);
      if (end > chunk.length) break;
      frames.push({
        type: chunk.readUInt8(position),
        payload: chunk.subarray(position + FRAME_HEADER_BYTES, end),
      });
      position = end;
    }
    if (position < chunk.length) this.#gather(chunk.subarray(position));
    return frames;
  }

  /** Returns how many bytes of `chunk` went into the frame that was unfinished. */
  #finishGathered(chunk: Buffer, frames: Frame[]): number {
    let taken = 0;
    if (this.#gatheredBytes < FRAME_HEADER_BYTES) {
      taken = Math.min(FRAME_HEADER_BYTES - this.#gatheredBytes, chunk.length);
      this.#gather(chunk.subarray(0, taken));
      if (this.#gatheredBytes < FRAME_HEADER_BYTES) return taken;
    }
    const frameBytes = FRAME_HEADER_BYTES + this.#payloadBytes(this.#gathered, 0);
    const missing = Math.min(frameBytes - this.#gatheredBytes, chunk.length - taken);
    this.#gather(chunk.subarray(taken, taken + missing));
    taken += missing;
    if (this.#gatheredBytes < frameBytes) return taken;
    frames.push({
      type: this.#gathered.readUInt8(0),
      payload: this.#gathered.subarray(FRAME_HEADER_BYTES, frameBytes),
    });
    // The frame keeps the buffer; the next unfinished one gets its own.
    this.#gathered = Buffer.alloc(0);
    this.#gatheredBytes = 0;
    return taken;
  }

  #gather(bytes: Buffer): void {
    const neededBytes = this.#gatheredBytes + bytes.length;
    if (neededBytes > this.#gathered.length) {
      const grown = Buffer.allocUnsafe(
        Math.max(neededBytes, this.#gathered.length * 2, GATHERED_BYTES_MIN),
      );
      this.#gathered.copy(grown, 0, 0, this.#gatheredBytes);
      this.#gathered = grown;
    }
    bytes.copy(this.#gathered, this.#gatheredBytes);
    this.#gatheredBytes = neededBytes;
  }

  #payloadBytes(header: Buffer, position: number): number {
    const type = header.readUInt8(position);
    if (type > FrameType.HTTP_RESP_CALL) {
      throw new ProtocolError('MALFORMED', `unexpected type ${type}`);
    }
    const payloadBytes = header.readUIntBE(position + 1, 3);
    if (payloadBytes <= this.#payloadBytesMax) return payloadBytes;
    throw new ProtocolError(
      'TOO_LARGE',
      `the max length of data is ${this.#payloadBytesMax} but got ${payloadBytes}`,
    );
  }
}
