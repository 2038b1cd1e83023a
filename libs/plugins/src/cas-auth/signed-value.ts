import { createHmac } from 'node:crypto';
import { decodeBase64 } from '../base64.ts';
import { equalInConstantTime } from '../constant-time.ts';

/** A value that comes back from the browser as it was sent: both halves base64, without padding. */
export function signValue(secret: string, value: string): string {
  const bytes = Buffer.from(value);
  return `${unpadded(bytes)}.${unpadded(signature(secret, bytes))}`;
}

/** Undefined for what was not signed with this secret. */
export function verifyValue(secret: string, signed: string | undefined): string | undefined {
  const dot = signed?.indexOf('.') ?? -1;
  if (signed === undefined || dot === -1) return undefined;
  const value = decodeBase64(signed.slice(0, dot));
  const given = decodeBase64(signed.slice(dot + 1));
  if (value === undefined || given === undefined) return undefined;
  return equalInConstantTime(given, signature(secret, value)) ? value.toString() : undefined;
}

function signature(secret: string, value: Buffer): Buffer {
  return createHmac('sha256', secret).update(value).digest();
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
