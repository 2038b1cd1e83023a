import type { HeaderList } from '@polygate/plugin-sdk';

/** A directive's value: a number where it looks like one, true without one. */
export type CacheDirectives = ReadonlyMap<string, number | string | true>;

/** Cache-Control, with all of its headers taken together. Names in lower case. */
export function parseCacheControl(headers: HeaderList): CacheDirectives {
  const directives = new Map<string, number | string | true>();
  for (const part of headers.getAll('cache-control').join(',').split(',')) {
    const equals = part.indexOf('=');
    const name = (equals === -1 ? part : part.slice(0, equals)).trimStart().toLowerCase();
    if (name === '') continue;
    const value = equals === -1 ? '' : part.slice(equals + 1);
    const number = value.trim() === '' ? NaN : Number(value);
    directives.set(name, Number.isNaN(number) ? (value === '' ? true : value) : number);
  }
  return directives;
}

/** Seconds that an answer says it is good for; 0: it does not, or it is not. */
export function statedLifetime(
  directives: CacheDirectives,
  headers: HeaderList,
  nowMs: number,
): number {
  const age = directives.get('s-maxage') ?? directives.get('max-age');
  if (typeof age === 'number') return Math.max(age, 0);
  if (age !== undefined) return 0;
  const expires = Date.parse(headers.getAll('expires').at(-1) ?? '');
  return Number.isNaN(expires) ? 0 : Math.max((expires - nowMs) / 1000, 0);
}

/**
 * Until when an answer may be kept, in milliseconds since the epoch; undefined: not at all. As nginx
 * decides it for proxy_cache: X-Accel-Expires before Cache-Control before Expires before `ttlMs`.
 */
export function keptUntil(headers: HeaderList, ttlMs: number, nowMs: number): number | undefined {
  if (headers.has('set-cookie')) return undefined;
  const accel = headers.get('x-accel-expires');
  if (accel !== undefined) return accelTime(accel.trim(), nowMs);
  const control = headers.getAll('cache-control').join(',').toLowerCase();
  if (/no-cache|no-store|private/.test(control)) return undefined;
  const age = /s-maxage=(\d+)/.exec(control) ?? /max-age=(\d+)/.exec(control);
  if (age !== null) return later(nowMs + Number(age[1]) * 1000, nowMs);
  const expires = headers.getAll('expires').at(-1);
  if (expires !== undefined) return later(Date.parse(expires), nowMs);
  return later(nowMs + ttlMs, nowMs);
}

/** Seconds from now, or `@` and seconds since the epoch. */
function accelTime(value: string, nowMs: number): number | undefined {
  if (/^@\d+$/.test(value)) return later(Number(value.slice(1)) * 1000, nowMs);
  return /^\d+$/.test(value) ? later(nowMs + Number(value) * 1000, nowMs) : undefined;
}

function later(timeMs: number, nowMs: number): number | undefined {
  return timeMs > nowMs ? timeMs : undefined;
}

/**
 * Whether the client has this answer already, by its If-None-Match and If-Modified-Since. Both have to
 * say so where both are there: ngx_http_not_modified_filter.
 */
export function isNotModified(request: HeaderList, status: number, headers: HeaderList): boolean {
  if (status !== 200) return false;
  const since = request.get('if-modified-since');
  const match = request.get('if-none-match');
  if (since === undefined && match === undefined) return false;
  if (since !== undefined && Date.parse(since) !== Date.parse(headers.get('last-modified') ?? ''))
    return false;
  return match === undefined || hasTag(match, headers.get('etag'));
}

function hasTag(list: string, tag: string | undefined): boolean {
  if (tag === undefined) return false;
  if (list.trim() === '*') return true;
  const strong = tag.replace(/^W\//, '');
  return list.split(',').some((one) => one.trim().replace(/^W\//, '') === strong);
}
