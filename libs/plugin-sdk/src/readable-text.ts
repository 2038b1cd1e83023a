import { isUtf8 } from 'node:buffer';

const BEYOND_ASCII = /[^\0-\x7f]/;
const BEYOND_LATIN1 = /[^\0-\xff]/;

/**
 * A text for people and JSON, out of one that came over the wire with one character a byte (latin1):
 * UTF-8 where the bytes are UTF-8, the characters as they stand where they are not.
 */
export function readableText(text: string): string {
  if (!BEYOND_ASCII.test(text) || BEYOND_LATIN1.test(text)) return text;
  const bytes = Buffer.from(text, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : text;
}
