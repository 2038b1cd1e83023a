const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const BASE64_URL = /^[A-Za-z0-9_-]*={0,2}$/;

/** Undefined for what is no base64: unlike Buffer, which passes over any other character. */
export function decodeBase64(text: string): Buffer | undefined {
  return isWhole(text, BASE64) ? Buffer.from(text, 'base64') : undefined;
}

/** As decodeBase64, of the alphabet that goes into URLs; padding may be missing. */
export function decodeBase64Url(text: string): Buffer | undefined {
  return isWhole(text, BASE64_URL) ? Buffer.from(text, 'base64url') : undefined;
}

/** One character beyond a multiple of four is no byte. */
function isWhole(text: string, alphabet: RegExp): boolean {
  if (!alphabet.test(text)) return false;
  const padding = text.indexOf('=');
  return (padding === -1 ? text.length : padding) % 4 !== 1;
}
