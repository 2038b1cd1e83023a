import { createCipheriv, createDecipheriv } from 'node:crypto';

/**
 * Keys of 16 bytes (AES-128) or 32 bytes (AES-256). The first encrypts, each may decrypt: put a new
 * key in front to rotate.
 */
export type Keyring = readonly string[];

const BLOCK_BYTES = 16;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Encrypts with the first key: AES-CBC with PKCS #7 padding, as base64. The key is its own
 * initialisation vector, as APISIX has it, so equal texts give equal results. Without a key the
 * text comes back as it is. Source: apisix/core/data_encryption.lua.
 */
export function encryptText(text: string, keyring: Keyring): string {
  const [key] = keyring;
  if (key === undefined) return text;
  const { algorithm, bytes, iv } = cipherOf(key);
  const cipher = createCipheriv(algorithm, bytes, iv);
  return cipher.update(text, 'utf8', 'base64') + cipher.final('base64');
}

/**
 * The text in clear, or undefined when no key of the ring fits: it was never encrypted, or with
 * another key. Without a key the text comes back as it is. Source: as encryptText.
 */
export function decryptText(text: string, keyring: Keyring): string | undefined {
  if (keyring.length === 0) return text;
  if (!BASE64.test(text)) return undefined;
  const encrypted = Buffer.from(text, 'base64');
  if (encrypted.length === 0 || encrypted.length % BLOCK_BYTES !== 0) return undefined;
  for (const key of keyring) {
    const clear = decryptWith(key, encrypted);
    if (clear !== undefined) return clear;
  }
  return undefined;
}

const PEM_START = '---';

/** A private key in PEM form, encrypted; anything else (encrypted before, a reference) as it is. */
export function encryptPrivateKey(text: string, keyring: Keyring): string {
  return text.startsWith(PEM_START) ? encryptText(text, keyring) : text;
}

/** A private key in clear, whether it is stored so or encrypted; undefined when no key fits. */
export function decryptPrivateKey(text: string, keyring: Keyring): string | undefined {
  return text.startsWith(PEM_START) ? text : decryptText(text, keyring);
}

function decryptWith(key: string, encrypted: Buffer): string | undefined {
  const { algorithm, bytes, iv } = cipherOf(key);
  const decipher = createDecipheriv(algorithm, bytes, iv);
  try {
    // One wrong key in 256 leaves something that looks padded; hardly any leaves UTF-8.
    return utf8.decode(Buffer.concat([decipher.update(encrypted), decipher.final()]));
  } catch {
    return undefined;
  }
}

function cipherOf(key: string) {
  const bytes = Buffer.from(key, 'utf8');
  const algorithm = bytes.length === 32 ? 'aes-256-cbc' : 'aes-128-cbc';
  return { algorithm, bytes, iv: bytes.subarray(0, BLOCK_BYTES) };
}
