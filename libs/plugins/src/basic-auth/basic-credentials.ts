import { decodeBase64 } from '../base64.ts';

export interface BasicCredentials {
  readonly username: string;
  /** Bytes: what is no UTF-8 must not become equal to another. */
  readonly password: Buffer;
}

const SCHEME = /basic\s(.+)/i;
const WHITE_SPACE = /[\t-\r ]+/g;

/**
 * The credentials of an Authorization header, or what is wrong with them. White space within them is
 * dropped, as APISIX does. A password ends with the header, as RFC 7617 has it: APISIX cuts it off at
 * its first colon.
 */
export function parseBasicCredentials(authorization: string): BasicCredentials | string {
  const encoded = SCHEME.exec(authorization)?.[1];
  if (encoded === undefined) return 'Invalid authorization header format';
  const decoded = decodeBase64(encoded);
  if (decoded === undefined) return `Failed to decode authentication header: ${encoded}`;
  const colon = decoded.indexOf(0x3a);
  // what is decoded may be a password: not into the log
  if (colon === -1) return 'Split authorization err: invalid decoded data';
  return {
    username: withoutWhiteSpace(decoded.subarray(0, colon)).toString(),
    password: withoutWhiteSpace(decoded.subarray(colon + 1)),
  };
}

function withoutWhiteSpace(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').replace(WHITE_SPACE, ''), 'latin1');
}
