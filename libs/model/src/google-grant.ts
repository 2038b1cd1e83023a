import { sign } from 'node:crypto';

/** A service account of Google's, as its key file has it. */
export interface GoogleAccount {
  readonly client_email: string;
  /** PEM. */
  readonly private_key: string;
  /** Where tokens are had; Google's own where there is none. */
  readonly token_uri?: string;
  /** `cloud-platform` where there is none. */
  readonly scope?: string | readonly string[];
}

export interface GoogleToken {
  /** An Authorization header. */
  readonly authorization: string;
  readonly lifeSeconds: number;
}

export const GOOGLE_TOKEN_URI = 'https://oauth2.googleapis.com/token';
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const ASSERTION_SECONDS = 3600;

/**
 * The form by which an account asks its `token_uri` for an access token: the JWT bearer grant of RFC
 * 7523, signed now. Throws where the key is none. Source: apisix/utils/google-cloud-oauth.lua.
 */
export function googleGrant(account: GoogleAccount): string {
  const { client_email: issuer, private_key: key, scope = SCOPE } = account;
  const nowSeconds = Math.floor(Date.now() / 1000);
  const claims = {
    iss: issuer,
    aud: account.token_uri ?? GOOGLE_TOKEN_URI,
    scope: typeof scope === 'string' ? scope : scope.join(' '),
    iat: nowSeconds,
    exp: nowSeconds + ASSERTION_SECONDS,
  };
  const signed = [{ alg: 'RS256', typ: 'JWT' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const signature = sign('RSA-SHA256', Buffer.from(signed), key).toString('base64url');
  return new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion: `${signed}.${signature}`,
  }).toString();
}

/** What the `token_uri` answered. Undefined: there is no token in it. */
export function readGoogleToken(answer: string): GoogleToken | undefined {
  let value: unknown;
  try {
    value = JSON.parse(answer);
  } catch {
    // what is no JSON has no token
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { access_token: token, token_type: type, expires_in: seconds } = value as Answer;
  if (typeof token !== 'string') return undefined;
  return {
    authorization: `${typeof type === 'string' ? type : 'Bearer'} ${token}`,
    lifeSeconds: typeof seconds === 'number' ? seconds : 0,
  };
}

interface Answer {
  readonly access_token?: unknown;
  readonly token_type?: unknown;
  readonly expires_in?: unknown;
}
