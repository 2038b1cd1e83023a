import { ProtocolError } from './errors.ts';

/**
 * What a message may grow to when decoded: its own size twice, and a little. An honest message is
 * below its own size, or slightly above where the writer shared strings. Offsets may point at one
 * string from a million places, so without this bound 16 MiB could ask for terabytes.
 */
const DECODED_BYTES_FACTOR = 2;
const DECODED_BYTES_EXTRA = 65_536;
/** Least cost of a table in a vector: its slot, its vtable offset, one field. */
const TABLE_BYTES_MIN = 12;

interface Source {
  readonly bytes: Buffer;
  budgetBytes: number;
}

/** Starts reading a flatbuffer at its root table. */
export function readRoot(payload: Uint8Array): TableReader {
  const bytes = Buffer.isBuffer(payload)
    ? payload
    : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const budgetBytes = bytes.length * DECODED_BYTES_FACTOR + DECODED_BYTES_EXTRA;
  return new TableReader({ bytes, budgetBytes }, followOffset(bytes, 0));
}

/**
 * Reads fields of a flatbuffers table, by field number as declared in the schema. The runtime's own
 * reader trusts every offset; this one checks each against the end of the message and throws
 * `ProtocolError` `MALFORMED`.
 */
export class TableReader {
  readonly #source: Source;
  readonly #position: number;
  readonly #vtable: number;
  readonly #vtableBytes: number;

  constructor(source: Source, position: number) {
    const { bytes } = source;
    requireInside(bytes, position, 4);
    const vtable = position - bytes.readInt32LE(position);
    requireInside(bytes, vtable, 4);
    const vtableBytes = bytes.readUInt16LE(vtable);
    if (vtableBytes < 4) throw malformed(`a vtable of ${vtableBytes} bytes`);
    requireInside(bytes, vtable, vtableBytes);
    this.#source = source;
    this.#position = position;
    this.#vtable = vtable;
    this.#vtableBytes = vtableBytes;
  }

  /** 0 where absent, as the schema says of all numbers. */
  uint8(field: number): number {
    const position = this.#find(field, 1);
    return position === undefined ? 0 : this.#source.bytes.readUInt8(position);
  }

  uint16(field: number): number {
    const position = this.#find(field, 2);
    return position === undefined ? 0 : this.#source.bytes.readUInt16LE(position);
  }

  uint32(field: number): number {
    const position = this.#find(field, 4);
    return position === undefined ? 0 : this.#source.bytes.readUInt32LE(position);
  }

  /** UTF-8; invalid sequences become U+FFFD. */
  string(field: number): string | undefined {
    const position = this.#find(field, 4);
    if (position === undefined) return undefined;
    const { start, length } = this.#vector(position, 1);
    this.#spend(4 + length);
    return this.#source.bytes.toString('utf8', start, start + length);
  }

  /** A view into the message. */
  bytes(field: number): Buffer | undefined {
    const position = this.#find(field, 4);
    if (position === undefined) return undefined;
    const { start, length } = this.#vector(position, 1);
    return this.#source.bytes.subarray(start, start + length);
  }

  table(field: number): TableReader | undefined {
    const position = this.#find(field, 4);
    if (position === undefined) return undefined;
    return new TableReader(this.#source, followOffset(this.#source.bytes, position));
  }

  /** A vector of tables, each mapped; empty where absent. */
  tables<Item>(field: number, read: (table: TableReader) => Item): Item[] {
    const position = this.#find(field, 4);
    if (position === undefined) return [];
    const { start, length } = this.#vector(position, 4);
    const items: Item[] = [];
    for (let slot = start; slot < start + length * 4; slot += 4) {
      this.#spend(TABLE_BYTES_MIN);
      items.push(read(new TableReader(this.#source, followOffset(this.#source.bytes, slot))));
    }
    return items;
  }

  #find(field: number, fieldBytes: number): number | undefined {
    const slot = 4 + field * 2;
    if (slot + 2 > this.#vtableBytes) return undefined;
    const offset = this.#source.bytes.readUInt16LE(this.#vtable + slot);
    if (offset === 0) return undefined;
    const position = this.#position + offset;
    requireInside(this.#source.bytes, position, fieldBytes);
    return position;
  }

  #vector(position: number, itemBytes: number): { start: number; length: number } {
    const { bytes } = this.#source;
    const vector = followOffset(bytes, position);
    const length = bytes.readUInt32LE(vector);
    requireInside(bytes, vector + 4, length * itemBytes);
    return { start: vector + 4, length };
  }

  #spend(decodedBytes: number): void {
    this.#source.budgetBytes -= decodedBytes;
    if (this.#source.budgetBytes < 0) throw malformed('more content than bytes');
  }
}

/** The position an offset at `position` points to; at least 4 bytes are inside there. */
function followOffset(bytes: Buffer, position: number): number {
  requireInside(bytes, position, 4);
  const target = position + bytes.readUInt32LE(position);
  requireInside(bytes, target, 4);
  return target;
}

function requireInside(bytes: Buffer, position: number, length: number): void {
  if (position >= 0 && position + length <= bytes.length) return;
  throw malformed(`offset ${position} points outside of ${bytes.length} bytes`);
}

function malformed(what: string): ProtocolError {
  return new ProtocolError('MALFORMED', `malformed message: ${what}`);
}
