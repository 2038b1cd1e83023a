import { ProtocolError } from './errors.ts';
import type { TableReader } from './table-reader.ts';

/**
 * A header, an argument or a plugin's conf. Without value: an argument without "=", or "delete
 * this" in a rewrite. Values are UTF-8 on the wire.
 */
export interface TextEntry {
  readonly name: string;
  readonly value?: string | undefined;
}

export function readEntry(table: TableReader): TextEntry {
  const name = table.string(0);
  if (name === undefined)
    throw new ProtocolError('MALFORMED', 'malformed message: entry without name');
  const value = table.string(1);
  return value === undefined ? { name } : { name, value };
}
