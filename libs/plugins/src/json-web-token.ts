import { decodeBase64Url } from './base64.ts';

/** A token taken apart; nothing of it is to be believed before its signature is verified. */
export interface JsonWebToken {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
  /** What the signature is over. */
  readonly signingInput: string;
  /** As it stands in the token: base64url. */
  readonly signature: string;
}

/**
 * Takes a signed token apart, or says what is wrong with it, in the words of lua-resty-jwt. As long as
 * the request's head lets it be.
 */
export function parseJsonWebToken(token: string): JsonWebToken | string {
  const first = token.indexOf('.');
  const second = token.indexOf('.', first + 1);
  if (first === -1 || second === -1 || token.includes('.', second + 1)) return 'invalid jwt string';
  const encodedHeader = token.slice(0, first);
  const header = decodeObject(encodedHeader);
  if (header === undefined) return `invalid header: ${encodedHeader}`;
  const encodedPayload = token.slice(first + 1, second);
  const payload = decodeObject(encodedPayload);
  if (payload === undefined) return `invalid payload: ${encodedPayload}`;
  return {
    header,
    payload,
    signingInput: token.slice(0, second),
    signature: token.slice(second + 1),
  };
}

/** A claim of the token's own: `constructor` is none of them unless the token says so. */
export function claimOf(claims: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

/** A part of a token: base64url of a JSON object. Undefined for what is none. */
export function decodeObject(encoded: string): Record<string, unknown> | undefined {
  const bytes = decodeBase64Url(encoded);
  if (bytes === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(bytes.toString());
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return value as Record<string, unknown>;
  } catch {
    // a token that is no JSON is a wrong token, whatever exactly is wrong with it
    return undefined;
  }
}
