import { HeaderList, HOP_BY_HOP } from '@polygate/plugin-sdk';
import { fieldText, isToken } from '../http1/field-lines.ts';

/** They speak of an HTTP/1 connection; a peer of HTTP/2 must refuse a message that has one. */
const NOT_IN_HTTP2 = new Set([...HOP_BY_HOP, 'http2-settings']);
const COLON = 0x3a;
const SEEN_NAMES_MAX = 1000;
/** Names that passed: nearly all come again and again. */
const seenNames = new Set<string>();

/**
 * The value as it goes out; undefined where HTTP/2 cannot say the field. node:http2 hands all fields
 * over as one string of Latin-1 with NUL between its parts, and looks at names only: a NUL in a value
 * would begin another field. Throws a `TypeError` on what would split, as HTTP/1's writers do.
 */
export function http2FieldText(lowerName: string, value: string): string | undefined {
  return mayName(lowerName) ? fieldText(value, lowerName) : undefined;
}

function mayName(lowerName: string): boolean {
  if (seenNames.has(lowerName)) return true;
  if (NOT_IN_HTTP2.has(lowerName)) return false;
  if (!isToken(lowerName)) {
    throw new TypeError(`header name is invalid: ${JSON.stringify(lowerName)}`);
  }
  if (seenNames.size >= SEEN_NAMES_MAX) seenNames.clear();
  seenNames.add(lowerName);
  return true;
}

/** Of alternating names and values, as HPACK gave them; pseudo headers are left out. */
export function readFields(raw: readonly string[]): HeaderList {
  const headers = new HeaderList();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name.charCodeAt(0) === COLON) continue;
    headers.appendKnown(name, name, raw[i + 1] as string);
  }
  return headers;
}
