import type { ClientRequest } from '@polygate/plugin-sdk';
import { removeArgument, singleArgument } from '../query-argument.ts';
import type { JwtAuthConf } from './jwt-auth.schema.ts';

/**
 * The token: of the header, the query or a cookie, in this order; null for a query argument that is no
 * single text. With `hide_credentials` it is taken out of the request, whatever it is worth.
 */
export function takeToken(request: ClientRequest, conf: JwtAuthConf): string | null | undefined {
  const { headers } = request;
  const inHeader = headers.get(conf.header);
  if (inHeader !== undefined) {
    if (conf.hide_credentials) headers.delete(conf.header);
    const isBearer = inHeader.startsWith('Bearer ') || inHeader.startsWith('bearer ');
    return isBearer ? inHeader.slice('Bearer '.length) : inHeader;
  }
  const inQuery = singleArgument(request, conf.query);
  if (inQuery !== undefined) {
    if (conf.hide_credentials) removeArgument(request, conf.query);
    return inQuery;
  }
  const cookies = headers.getAll('cookie').flatMap((value) => value.split(';'));
  const inCookie = cookies.find((cookie) => cookieName(cookie) === conf.cookie);
  if (inCookie === undefined) return undefined;
  if (conf.hide_credentials) {
    const kept = cookies.filter((cookie) => cookieName(cookie) !== conf.cookie);
    if (kept.length === 0) headers.delete('cookie');
    else headers.set('Cookie', kept.map((cookie) => cookie.trim()).join('; '));
  }
  return inCookie.slice(inCookie.indexOf('=') + 1).trim();
}

function cookieName(cookie: string): string | undefined {
  const equals = cookie.indexOf('=');
  return equals === -1 ? undefined : cookie.slice(0, equals).trim();
}
