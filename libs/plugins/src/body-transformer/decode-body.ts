import type { QueryArgument, RequestContext } from '@polygate/plugin-sdk';
import type { InputFormat } from './body-transformer.schema.ts';
import { parseLuaJson } from './lua/lua-json.ts';
import { LuaError, LuaTable, typeName, type LuaKey, type LuaValue } from './lua/lua-value.ts';
import { MultipartParts } from './multipart-parts.ts';
import { DecodeError, parseXml } from './xml-table.ts';

/** As many arguments as ngx.decode_args and ngx.req.get_uri_args read. */
const ARGUMENTS_MAX = 100;

export interface DecodedBody {
  readonly entries: LuaTable;
  readonly parts: MultipartParts | undefined;
}

/** Throws a DecodeError for a body of another format, and a LuaError for one that is no table. */
export function decodeBody(
  format: Exclude<InputFormat, 'plain'>,
  body: string,
  contentType: string | undefined,
  ctx: RequestContext,
): DecodedBody {
  if (format === 'multipart') {
    const parts = new MultipartParts(body, contentType);
    return { entries: parts.table(), parts };
  }
  const entries = decodeTable(format, body, ctx);
  if (entries instanceof LuaTable) return { entries, parts: undefined };
  throw new LuaError(`attempt to index local 'out' (a ${typeName(entries)} value)`);
}

function decodeTable(
  format: Exclude<InputFormat, 'plain' | 'multipart'>,
  body: string,
  ctx: RequestContext,
): LuaValue {
  switch (format) {
    case 'xml':
      return parseXml(body);
    case 'json':
      try {
        return parseLuaJson(body);
      } catch (error) {
        if (error instanceof SyntaxError) throw new DecodeError(error.message);
        throw error;
      }
    case 'encoded':
      return argumentTable(parseForm(body));
    default:
      return argumentTable(ctx.request.getArguments());
  }
}

function parseForm(body: string): QueryArgument[] {
  return body
    .split('&', ARGUMENTS_MAX + 1)
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=');
      if (equals === -1) return { name: unescape(pair), value: undefined };
      return { name: unescape(pair.slice(0, equals)), value: unescape(pair.slice(equals + 1)) };
    });
}

function unescape(text: string): string {
  const bytes = text
    .replaceAll('+', ' ')
    .replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  // a body is Unicode here, and what stands escaped in it are bytes
  return text.includes('%') ? utf8(bytes) : bytes;
}

function utf8(text: string): string {
  return /[^\0-\xff]/.test(text) ? text : Buffer.from(text, 'latin1').toString();
}

/** True for an argument without a value; a list for several of one name. */
function argumentTable(given: readonly QueryArgument[]): LuaTable {
  const values = new Map<LuaKey, LuaValue[]>();
  for (const { name, value } of given.slice(0, ARGUMENTS_MAX)) {
    values.set(name, [...(values.get(name) ?? []), value ?? true]);
  }
  return LuaTable.of(
    [...values].map(([name, all]) => [name, all.length === 1 ? all[0] : LuaTable.list(all)]),
  );
}
