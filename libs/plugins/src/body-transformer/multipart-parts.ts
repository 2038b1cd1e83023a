import { DecodeError } from './xml-table.ts';
import {
  LuaError,
  LuaTable,
  toText,
  type LuaFunction,
  type LuaKey,
  type LuaObject,
  type LuaValue,
} from './lua/lua-value.ts';

interface Part {
  readonly name: string;
  readonly headers: readonly string[];
  value: string;
}

const PARTS_MAX = 1000;

/** A multipart body that templates can look into and change, as the multipart library of Lua has it. */
export class MultipartParts implements LuaObject {
  readonly isLuaObject = true;
  readonly #boundary: string;
  #parts: Part[];
  readonly #methods: ReadonlyMap<LuaKey, LuaFunction>;

  constructor(body: string, contentType: string | undefined) {
    const boundary = /boundary="?([^";,]+)"?/i.exec(contentType ?? '')?.[1];
    if (boundary === undefined) throw new DecodeError('no boundary in the content type');
    this.#boundary = boundary;
    this.#parts = partsOf(body, boundary);
    this.#methods = new Map<LuaKey, LuaFunction>([
      ['get', (args) => [this.#get(nameIn(args))]],
      ['set_simple', (args) => this.#set(args)],
      ['delete', (args) => this.#delete(nameIn(args))],
      ['tostring', () => [this.toString()]],
      ['get_all', () => [LuaTable.of(this.#parts.map(({ name, value }) => [name, value]))]],
      ['get_all_with_arrays', () => [this.table()]],
    ]);
  }

  get(key: LuaKey): LuaValue {
    return this.#methods.get(key);
  }

  /** Values by name, several of one name in a list. */
  table(fallback?: ReadonlyMap<LuaKey, LuaValue>): LuaTable {
    const table = new LuaTable(fallback);
    for (const [name, parts] of Map.groupBy(this.#parts, (part) => part.name)) {
      const values = parts.map(({ value }) => value);
      table.set(name, values.length === 1 ? values[0] : LuaTable.list(values));
    }
    return table;
  }

  toString(): string {
    const parts = this.#parts.map(
      ({ headers, value }) => `--${this.#boundary}\r\n${headers.join('\r\n')}\r\n\r\n${value}\r\n`,
    );
    return `${parts.join('')}--${this.#boundary}--\r\n`;
  }

  #get(name: string): LuaValue {
    const part = this.#parts.find((one) => one.name === name);
    if (part === undefined) return undefined;
    const headers = LuaTable.list(part.headers);
    return LuaTable.of([
      ['name', part.name],
      ['headers', headers],
      ['value', part.value],
    ]);
  }

  /** Name, value, and for a file its name and type. */
  #set([, name, value, file, type]: readonly LuaValue[]): [] {
    const key = toText(name);
    const part = this.#parts.find((one) => one.name === key);
    if (part !== undefined) {
      part.value = toText(value);
      return [];
    }
    if (this.#parts.length >= PARTS_MAX) throw new LuaError('too many parts');
    const disposition = `Content-Disposition: form-data; name="${key}"`;
    const headers =
      file === undefined ? [disposition] : [`${disposition}; filename="${toText(file)}"`];
    if (type !== undefined) headers.push(`Content-Type: ${toText(type)}`);
    this.#parts.push({ name: key, headers, value: toText(value) });
    return [];
  }

  #delete(name: string): [] {
    this.#parts = this.#parts.filter((one) => one.name !== name);
    return [];
  }
}

function nameIn([, name]: readonly LuaValue[]): string {
  return toText(name);
}

/** What is no part is left out: a body of another boundary has none. */
function partsOf(body: string, boundary: string): Part[] {
  const pieces = `\n${body}`.split(`\n--${boundary}`).slice(1);
  if (pieces.length > PARTS_MAX) throw new DecodeError(`over ${PARTS_MAX} parts`);
  return pieces.flatMap((piece) => {
    if (piece.startsWith('--')) return [];
    const split = /\r?\n\r?\n/.exec(piece);
    if (split === null) return [];
    const lines = piece.slice(0, split.index).split(/\r?\n/);
    const headers = lines.map((line) => line.trim()).filter((line) => line !== '');
    const disposition = headers.find((line) => /^content-disposition:/i.test(line)) ?? '';
    const name = /[;\s]name="([^"]*)"/i.exec(disposition)?.[1];
    if (name === undefined) return [];
    const value = piece.slice(split.index + split[0].length).replace(/\r$/, '');
    return [{ name, headers, value }];
  });
}
