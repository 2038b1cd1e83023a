import assert from 'node:assert';
import { FRAME_HEADER_BYTES, writeFrameHeader } from './frame.ts';
import type { TextEntry } from './text-entry.ts';

/** A buffer up to this is kept for the next message. */
const KEPT_BYTES_MAX = 65_536;
/** Up to this many characters room for the worst case costs less than counting. */
const UNCOUNTED_LENGTH_MAX = 4096;

/** Where the fields of a table lie; made once per table and set of present fields. */
export interface TableLayout {
  readonly vtable: Buffer;
  readonly inlineBytes: number;
  /** By field number, from the start of the table; 0 where absent. */
  readonly offsets: readonly number[];
}

/** @param fieldBytes By field number: 1, 2, 4 (also for offsets), or 0 for one left out. */
export function tableLayout(...fieldBytes: readonly number[]): TableLayout {
  const offsets = fieldBytes.map(() => 0);
  let inlineBytes = 4;
  for (const size of [4, 2, 1]) {
    for (const [field, bytes] of fieldBytes.entries()) {
      if (bytes !== size) continue;
      offsets[field] = inlineBytes;
      inlineBytes += size;
    }
  }
  const vtable = Buffer.alloc(4 + 2 * offsets.length);
  vtable.writeUInt16LE(vtable.length, 0);
  vtable.writeUInt16LE(inlineBytes, 2);
  for (const [field, offset] of offsets.entries()) vtable.writeUInt16LE(offset, 4 + 2 * field);
  return { vtable, inlineBytes, offsets };
}

const ENTRY = tableLayout(4, 4);
const ENTRY_WITHOUT_VALUE = tableLayout(4, 0);

const kept: Buffer = Buffer.alloc(KEPT_BYTES_MAX);

/**
 * Builds one message and returns its bytes, which belong to the caller.
 *
 * @param sizeHintBytes Size of the large parts (bodies): saves growing the buffer.
 */
export function writeMessage(
  sizeHintBytes: number,
  layout: TableLayout,
  writeFields: (root: OpenTable) => void,
): Buffer {
  const fitsKept = sizeHintBytes < KEPT_BYTES_MAX;
  const writer = new MessageWriter(fitsKept ? kept : Buffer.allocUnsafe(sizeHintBytes + 4096));
  writeFields(writer.root(layout));
  const message = writer.finish();
  // What was written into the kept buffer is copied; a buffer of its own is handed out.
  return message.buffer === kept.buffer ? Buffer.from(message) : message;
}

/**
 * The same with the header of a frame before it: what goes on the wire as one piece of memory, so
 * that a message is copied once instead of twice.
 *
 * @throws {ProtocolError} `TOO_LARGE`, as `encodeFrame`
 */
export function writeFrame(
  type: number,
  sizeHintBytes: number,
  layout: TableLayout,
  writeFields: (root: OpenTable) => void,
): Buffer {
  const fitsKept = sizeHintBytes < KEPT_BYTES_MAX;
  const buffer = fitsKept ? kept : Buffer.allocUnsafe(sizeHintBytes + 4096);
  const writer = new MessageWriter(buffer, FRAME_HEADER_BYTES);
  writeFields(writer.root(layout));
  const frame = writer.finish();
  writeFrameHeader(frame, type);
  return frame.buffer === kept.buffer ? Buffer.from(frame) : frame;
}

/** A table whose fields can be written, by field number as declared in the schema. */
export class OpenTable {
  readonly #writer: MessageWriter;
  readonly #position: number;
  readonly #layout: TableLayout;

  constructor(writer: MessageWriter, position: number, layout: TableLayout) {
    this.#writer = writer;
    this.#position = position;
    this.#layout = layout;
  }

  uint8(field: number, value: number): void {
    this.#writer.setUint8(this.#at(field), value);
  }

  uint16(field: number, value: number): void {
    this.#writer.setUint16(this.#at(field), value);
  }

  uint32(field: number, value: number): void {
    this.#writer.setUint32(this.#at(field), value);
  }

  /** UTF-8; what is no Unicode becomes U+FFFD. */
  string(field: number, text: string): void {
    this.#writer.string(this.#at(field), text);
  }

  bytes(field: number, value: Uint8Array): void {
    this.#writer.bytes(this.#at(field), value);
  }

  entries(field: number, entries: readonly TextEntry[]): void {
    this.#writer.entries(this.#at(field), entries);
  }

  table(field: number, layout: TableLayout): OpenTable {
    return new OpenTable(this.#writer, this.#writer.table(this.#at(field), layout), layout);
  }

  #at(field: number): number {
    const offset = this.#layout.offsets[field] ?? 0;
    assert(offset > 0, `the table has no room for field ${field}`);
    return this.#position + offset;
  }
}

/**
 * Writes a flatbuffer from front to back: a table, then what it points to. The runtime's Builder works
 * from back to front, byte by byte: for ten headers it took 27 µs where this took about 6 µs.
 */
class MessageWriter {
  #buffer: Buffer;
  #position = 0;
  readonly #layouts: TableLayout[] = [];
  readonly #vtables: number[] = [];

  /** @param start Where the message begins, a multiple of 4: what is before it is left alone. */
  constructor(buffer: Buffer, start = 0) {
    this.#buffer = buffer;
    this.#position = start;
  }

  root(layout: TableLayout): OpenTable {
    const slot = this.#position;
    this.#position += 4;
    return new OpenTable(this, this.table(slot, layout), layout);
  }

  finish(): Buffer {
    this.#ensure(4);
    this.#align();
    return this.#buffer.subarray(0, this.#position);
  }

  setUint8(position: number, value: number): void {
    this.#buffer[position] = value;
  }

  setUint16(position: number, value: number): void {
    this.#buffer.writeUInt16LE(value, position);
  }

  setUint32(position: number, value: number): void {
    this.#buffer.writeUInt32LE(value, position);
  }

  /** Appends a table of zeros, has `slot` point to it, and returns its position. */
  table(slot: number, layout: TableLayout): number {
    this.#ensure(layout.vtable.length + layout.inlineBytes + 8);
    const vtable = this.#vtable(layout);
    this.#align();
    const table = this.#position;
    this.#position += layout.inlineBytes;
    this.#buffer.fill(0, table, this.#position);
    this.#buffer.writeInt32LE(table - vtable, table);
    this.setUint32(slot, table - slot);
    return table;
  }

  /** UTF-8; what is no Unicode becomes U+FFFD. */
  string(slot: number, text: string): void {
    const { length } = text;
    this.#ensure((length > UNCOUNTED_LENGTH_MAX ? Buffer.byteLength(text) : length * 3) + 9);
    this.#align();
    const start = this.#position;
    const textBytes = this.#buffer.write(text, start + 4, 'utf8');
    this.setUint32(start, textBytes);
    this.setUint32(slot, start - slot);
    this.#position = start + 4 + textBytes + 1;
    this.#buffer[this.#position - 1] = 0;
  }

  bytes(slot: number, value: Uint8Array): void {
    this.#ensure(value.byteLength + 8);
    this.#align();
    const start = this.#position;
    this.#buffer.set(value, start + 4);
    this.setUint32(start, value.byteLength);
    this.setUint32(slot, start - slot);
    this.#position = start + 4 + value.byteLength;
  }

  entries(slot: number, entries: readonly TextEntry[]): void {
    this.#ensure(entries.length * 4 + 8);
    this.#align();
    const start = this.#position;
    this.setUint32(start, entries.length);
    this.setUint32(slot, start - slot);
    this.#position = start + 4 + entries.length * 4;
    let entrySlot = start;
    for (const { name, value } of entries) {
      entrySlot += 4;
      const table = this.table(entrySlot, value === undefined ? ENTRY_WITHOUT_VALUE : ENTRY);
      this.string(table + 4, name);
      if (value !== undefined) this.string(table + 8, value);
    }
  }

  #vtable(layout: TableLayout): number {
    const known = this.#layouts.indexOf(layout);
    if (known !== -1) return this.#vtables[known] ?? 0;
    this.#align();
    const position = this.#position;
    this.#buffer.set(layout.vtable, position);
    this.#position += layout.vtable.length;
    this.#layouts.push(layout);
    this.#vtables.push(position);
    return position;
  }

  /** Zeros, not what an earlier message left in the buffer. */
  #align(): void {
    while (this.#position % 4 !== 0) {
      this.#buffer[this.#position] = 0;
      this.#position += 1;
    }
  }

  #ensure(moreBytes: number): void {
    const neededBytes = this.#position + moreBytes;
    if (neededBytes <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(neededBytes, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#position);
    this.#buffer = grown;
  }
}
