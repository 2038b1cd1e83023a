import { Builder } from 'flatbuffers';

/** Below this a builder is kept for the next message. */
const KEPT_BYTES_MAX = 65_536;

let kept = new Builder(4096);

/**
 * Builds one message and returns its bytes, which belong to the caller.
 *
 * @param sizeHintBytes Size of the large parts (bodies): saves growing the buffer by doubling.
 * @param build Returns the offset of the root table. Must not build another message inside.
 */
export function buildMessage(
  sizeHintBytes: number,
  build: (builder: Builder) => number,
): Uint8Array {
  if (sizeHintBytes > KEPT_BYTES_MAX) {
    const builder = new Builder(sizeHintBytes + KEPT_BYTES_MAX);
    builder.finish(build(builder));
    return builder.asUint8Array();
  }
  const builder = kept;
  builder.clear();
  builder.finish(build(builder));
  const message = builder.asUint8Array().slice();
  if (builder.dataBuffer().capacity() > KEPT_BYTES_MAX) kept = new Builder(4096);
  return message;
}

/** A vector of tables that were written before, in order. */
export function writeOffsets(builder: Builder, offsets: readonly number[]): number {
  builder.startVector(4, offsets.length, 4);
  for (const offset of offsets.toReversed()) builder.addOffset(offset);
  return builder.endVector();
}

/** 0, which means absent, for undefined; an empty string is written. */
export function writeString(builder: Builder, value: string | undefined): number {
  return value === undefined ? 0 : builder.createString(value);
}

/** 0, which means absent, for undefined; empty bytes are written. */
export function writeBytes(builder: Builder, value: Uint8Array | undefined): number {
  return value === undefined ? 0 : builder.createByteVector(value);
}
