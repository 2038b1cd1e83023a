import { randomBytes } from 'node:crypto';

const ALPHABET = '-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const LENGTH = 21;

/** 21 characters out of 64: 126 random bits. */
export function nanoid(): string {
  let id = '';
  for (const byte of randomBytes(LENGTH)) id += ALPHABET[byte & 63] ?? '';
  return id;
}
