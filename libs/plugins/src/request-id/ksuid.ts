import { randomBytes } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const BASE = BigInt(ALPHABET.length);
const LENGTH = 27;
const EPOCH_SECONDS = 1_400_000_000;
const PAYLOAD_BYTES = 16;

/**
 * 32 bits of seconds since 2014-05-13 and 128 random bits, in base 62: sorts by time as text.
 * Source: the format of segmentio/ksuid, which lua-resty-ksuid follows.
 */
export function ksuid(nowMs: number, payload: Buffer = randomBytes(PAYLOAD_BYTES)): string {
  const seconds = Buffer.alloc(4);
  seconds.writeUInt32BE(Math.floor(nowMs / 1000) - EPOCH_SECONDS);
  let rest = BigInt(`0x${seconds.toString('hex')}${payload.toString('hex')}`);
  let id = '';
  while (rest > 0n) {
    id = (ALPHABET[Number(rest % BASE)] ?? '') + id;
    rest /= BASE;
  }
  return id.padStart(LENGTH, '0');
}
