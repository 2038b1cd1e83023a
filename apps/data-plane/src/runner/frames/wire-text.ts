const ASCII = /^[\0-\x7f]*$/;
const LATIN1 = /^[\0-\xff]*$/;

/**
 * Header values are kept as latin1, one character a byte, as they came from the client. The
 * protocols to the runner carry UTF-8. Bytes that are no UTF-8 become U+FFFD.
 */
export function headerTextToUtf8(value: string): string {
  if (ASCII.test(value)) return value;
  return headerTextBytes(value).toString('utf8');
}

/** The way back: each byte of the UTF-8 form as one latin1 character. */
export function utf8ToHeaderText(value: string): string {
  if (ASCII.test(value)) return value;
  return Buffer.from(value, 'utf8').toString('latin1');
}

/** The bytes of a header value, also of one that a plugin wrote as text beyond latin1. */
export function headerTextBytes(value: string): Buffer {
  return Buffer.from(value, LATIN1.test(value) ? 'latin1' : 'utf8');
}
