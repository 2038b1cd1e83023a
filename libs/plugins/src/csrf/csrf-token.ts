import { hash } from 'node:crypto';
import { luaNumber } from '@polygate/model';
import { decodeBase64 } from '../base64.ts';
import { equalInConstantTime } from '../constant-time.ts';

/** The smallest number of 14 digits: so many APISIX writes of one. */
const RANDOM_MIN = 1e13;

/**
 * A token as APISIX makes it, so that both take each other's: base64 of JSON with a random number, the
 * second it was made in (under the name of `expires`) and a signature. It need not be hard to guess:
 * the signature is.
 */
export function makeToken(key: string, nowSeconds: number): string {
  // odd, so that it ends with no 0 that APISIX would leave out
  const digits = RANDOM_MIN + Math.floor(Math.random() * 4.5 * RANDOM_MIN) * 2 + 1;
  const random = `0.${digits}`;
  const sign = signature(random, String(nowSeconds), key);
  const token = `{"random":${random},"expires":${nowSeconds},"sign":"${sign}"}`;
  return Buffer.from(token, 'latin1').toString('base64');
}

export interface TokenRules {
  readonly key: string;
  /** Seconds; 0 or less: a token does not expire. */
  readonly expires: number;
}

/** Why a token does not hold, for the log; undefined when it does. */
export function tokenProblem(
  token: string,
  { key, expires: validSeconds }: TokenRules,
  nowSeconds: number,
): string | undefined {
  const bytes = decodeBase64(token);
  if (bytes === undefined) return 'csrf token base64 decode error';
  const fields = parseFields(bytes.toString());
  if (fields === undefined) return 'decode token error';
  const { random, expires, sign } = fields;
  if (typeof random !== 'number') return 'no random in token';
  if (typeof expires !== 'number') return 'no expires in token';
  if (validSeconds > 0 && nowSeconds - expires > validSeconds) return 'token has expired';
  const expected = signature(luaNumber(random), luaNumber(expires), key);
  if (typeof sign !== 'string' || !equalInConstantTime(sign, expected)) return 'Invalid signatures';
  return undefined;
}

function parseFields(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const fields: unknown = JSON.parse(json);
    return typeof fields === 'object' && fields !== null
      ? (fields as Readonly<Record<string, unknown>>)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function signature(random: string, expires: string, key: string): string {
  return hash('sha256', `{expires:${expires},random:${random},key:${key}}`);
}
