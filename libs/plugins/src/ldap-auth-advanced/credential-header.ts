import { isUtf8 } from 'node:buffer';
import type { HeaderList } from '@polygate/plugin-sdk';
import { decodeBase64 } from '../base64.ts';

export interface LdapCredentials {
  readonly username: string;
  readonly password: Buffer;
}

const SCHEMES = { ldap: /^ldap\s+(.+)/i, basic: /^basic\s+(.+)/i };

/**
 * Credentials of Proxy-Authorization, if they are usable ones, and of Authorization otherwise: a proxy on
 * the way may have spent the first on its own. Or what is wrong with them, which quotes nothing of them.
 */
export function readCredentials(
  headers: HeaderList,
  headerType: keyof typeof SCHEMES,
): LdapCredentials | string {
  const forProxy = headers.getKnown('proxy-authorization');
  const first = forProxy === undefined ? undefined : parse(forProxy, SCHEMES[headerType]);
  if (typeof first === 'object') return first;
  const authorization = headers.getKnown('authorization');
  if (authorization === undefined) return first ?? 'missing authorization header';
  return parse(authorization, SCHEMES[headerType]);
}

function parse(value: string, scheme: RegExp): LdapCredentials | string {
  const encoded = scheme.exec(value)?.[1];
  if (encoded === undefined) return 'invalid authorization header format';
  const decoded = decodeBase64(encoded);
  if (decoded === undefined) return 'failed to base64-decode authorization header';
  const colon = decoded.indexOf(0x3a);
  if (colon === -1) return "invalid credential: missing ':' separator";
  const username = decoded.subarray(0, colon);
  const password = decoded.subarray(colon + 1);
  // an anonymous bind, which a server may grant whatever the name (RFC 4513, 5.1.2)
  if (password.length === 0) return 'empty password rejected before bind';
  if (username.length === 0) return 'empty username';
  return isUtf8(username) ? { username: username.toString(), password } : 'invalid username';
}
