import { luaNumber } from '@polygate/model';
import type { DecodedValue } from './proto-decode.ts';

/**
 * JSON as cjson writes it: 14 digits of a number, bytes beyond ASCII as they are (latin1). Throws an
 * Error for a number that JSON does not have.
 */
export function luaJson(value: DecodedValue): string {
  if (typeof value === 'string') return text(value);
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) {
      throw new RangeError('Cannot serialise number: must not be NaN or Infinity');
    }
    return luaNumber(value);
  }
  if (Array.isArray(value)) return `[${value.map(luaJson).join(',')}]`;
  const members = Object.entries(value).map(([name, member]) => `${text(name)}:${luaJson(member)}`);
  return `{${members.join(',')}}`;
}

function text(value: string): string {
  return JSON.stringify(value).replaceAll('\x7f', '\\u007f');
}
