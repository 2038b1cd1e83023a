import type { Builder } from 'flatbuffers';
import { ProtocolError } from './errors.ts';
import type { TableReader } from './table-reader.ts';
import { writeOffsets, writeString } from './table-writer.ts';

/**
 * A header, an argument or a plugin's conf. Without value: an argument without "=", or "delete this"
 * in a rewrite. Values are UTF-8 on the wire.
 */
export interface TextEntry {
  readonly name: string;
  readonly value?: string | undefined;
}

/** 0, which means absent, for an empty list: no runner and no gateway tells the two apart. */
export function writeEntries(builder: Builder, entries: readonly TextEntry[]): number {
  if (entries.length === 0) return 0;
  const offsets = entries.map((entry) => writeEntry(builder, entry));
  return writeOffsets(builder, offsets);
}

export function readEntry(table: TableReader): TextEntry {
  const name = table.string(0);
  if (name === undefined)
    throw new ProtocolError('MALFORMED', 'malformed message: entry without name');
  const value = table.string(1);
  return value === undefined ? { name } : { name, value };
}

function writeEntry(builder: Builder, entry: TextEntry): number {
  const name = builder.createString(entry.name);
  const value = writeString(builder, entry.value);
  builder.startObject(2);
  builder.addFieldOffset(0, name, 0);
  builder.addFieldOffset(1, value, 0);
  return builder.endObject();
}
