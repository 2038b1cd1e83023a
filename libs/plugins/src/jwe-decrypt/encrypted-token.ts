import { createDecipheriv } from 'node:crypto';
import { decodeBase64Url } from '../base64.ts';
import { decodeObject } from '../json-web-token.ts';

const IV_BYTES = 12;
const TAG_BYTES = 16;

/** A token in the compact form of RFC 7516, whose key is agreed on (`dir`). */
export interface EncryptedToken {
  readonly header: Readonly<Record<string, unknown>>;
  /** These are as they stand in the token: base64url. */
  readonly iv: string;
  readonly ciphertext: string;
  readonly tag: string;
}

/** Undefined for what is no such token. Its second part, an encrypted key, is not looked at. */
export function parseEncryptedToken(text: string): EncryptedToken | undefined {
  const [encodedHeader = '', , iv, ciphertext, ...rest] = text.split('.');
  if (iv === undefined || ciphertext === undefined || rest.length === 0) return undefined;
  const header = decodeObject(encodedHeader);
  // one with more parts has a tag that nothing is encrypted with
  return header && { header, iv, ciphertext, tag: rest.join('.') };
}

/**
 * The content, or undefined when the secret is another one or the token was changed. As APISIX, and
 * unlike RFC 7516, the header is not authenticated. `secret`: 32 bytes.
 */
export function decrypt(token: EncryptedToken, secret: Buffer): Buffer | undefined {
  const iv = decodeBase64Url(token.iv);
  const ciphertext = decodeBase64Url(token.ciphertext);
  const tag = decodeBase64Url(token.tag);
  // a shorter tag would be easier to guess
  if (iv?.length !== IV_BYTES || tag?.length !== TAG_BYTES || ciphertext === undefined) {
    return undefined;
  }
  const decipher = createDecipheriv('aes-256-gcm', secret, iv, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(tag);
  const content = decipher.update(ciphertext);
  try {
    return Buffer.concat([content, decipher.final()]);
  } catch {
    // final() throws where the tag is not that of these bytes, and for no other reason
    return undefined;
  }
}
