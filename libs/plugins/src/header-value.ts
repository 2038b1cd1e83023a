const UNSAFE = /[\0-\x08\n-\x1f\x7f]/g;
const BEYOND_LATIN1 = /[^\0-\xff]/;

/**
 * A text made safe as a header's value: control characters (but for the tab) are percent-encoded as
 * OpenResty does, so that a CR/LF out of a variable starts no header of its own; characters that
 * fit no single byte go as UTF-8.
 */
export function headerValue(text: string): string {
  const bytes = BEYOND_LATIN1.test(text) ? Buffer.from(text).toString('latin1') : text;
  return bytes.replace(UNSAFE, percentEncoded);
}

function percentEncoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
