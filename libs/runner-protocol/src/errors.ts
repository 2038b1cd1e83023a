/**
 * What can be wrong with a message.
 *
 * - `TOO_LARGE`: more than 16,777,215 bytes do not fit a frame.
 * - `MALFORMED`: bytes that are no message of the protocol, or a value the schema cannot hold.
 * - `UNKNOWN_METHOD`: an HTTP method the protocol has no number for.
 * - `UNSUPPORTED_INFO`: an ExtraInfo question other than variable, request body, response body.
 */
export type ProtocolErrorCode = 'TOO_LARGE' | 'MALFORMED' | 'UNKNOWN_METHOD' | 'UNSUPPORTED_INFO';

/** A message that cannot be encoded, or bytes that cannot be decoded. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Throws unless `value` is an integer in 0..max. */
export function requireUnsigned(value: number, max: number, field: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new ProtocolError('MALFORMED', `${field} must be an integer from 0 to ${max}: ${value}`);
}
