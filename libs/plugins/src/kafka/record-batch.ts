import { WireWriter } from './wire.ts';

/** Of Castagnoli, reflected. */
const CRC32C_POLYNOMIAL = 0x82f63b78;
/** Records as Kafka has them since 0.11, and the only ones it takes since 4.0. */
const MAGIC = 2;
/** Epoch, magic and checksum, which stand between the length and what the checksum is of. */
const BEFORE_CHECKED_BYTES = 4 + 1 + 4;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) {
    value = value & 1 ? (value >>> 1) ^ CRC32C_POLYNOMIAL : value >>> 1;
  }
  return value;
});

export interface KafkaRecord {
  readonly key: string | undefined;
  readonly value: string;
}

/** A batch of records, uncompressed, all of the same time. */
export function encodeRecordBatch(records: readonly KafkaRecord[], timeMs: number): Buffer {
  const checked = new WireWriter()
    .int16(0)
    .int32(records.length - 1)
    .int64(timeMs)
    .int64(timeMs)
    // no transaction, and no sequence of an idempotent producer
    .int64(-1)
    .int16(-1)
    .int32(-1)
    .int32(records.length);
  records.forEach((record, offset) => checked.raw(encodeRecord(record, offset)));
  const bytes = checked.done();
  return new WireWriter()
    .int64(0)
    .int32(BEFORE_CHECKED_BYTES + bytes.length)
    .int32(-1)
    .int8(MAGIC)
    .uint32(crc32c(bytes))
    .raw(bytes)
    .done();
}

function encodeRecord({ key, value }: KafkaRecord, offset: number): Buffer {
  const record = new WireWriter().int8(0).varint(0).varint(offset);
  if (key === undefined) {
    record.varint(-1);
  } else {
    const bytes = Buffer.from(key);
    record.varint(bytes.length).raw(bytes);
  }
  const bytes = Buffer.from(value);
  const whole = record.varint(bytes.length).raw(bytes).varint(0).done();
  return new WireWriter().varint(whole.length).raw(whole).done();
}

export function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] as number);
  return (crc ^ 0xffffffff) >>> 0;
}
