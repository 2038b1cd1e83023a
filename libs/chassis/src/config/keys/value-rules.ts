import { isIP } from 'node:net';
import { parseNginxSize, parseNginxTime } from './nginx-units.ts';
import { anything, integer, listOf, scalar, text, type KeyRule } from './key-rules.ts';

export const port = (fallback: number) => integer(fallback, 0, 65_535);

export const host = <F extends string | undefined>(fallback: F) =>
  text(fallback, 'an address', (value) => /^[^\s/]+$/.test(value));

/** Seconds in the file, milliseconds here; undefined when not written. */
export const seconds = <F extends number | undefined>(fallbackMs: F, min: number) =>
  scalar<number | F>(`a number of seconds of at least ${min}`, fallbackMs, (value) =>
    typeof value === 'number' && Number.isFinite(value) && value >= min ? value * 1000 : undefined,
  );

export const nginxTime = <F extends number | undefined>(fallbackMs: F) =>
  scalar<number | F>('a time such as 60s', fallbackMs, parseNginxTime);

export const nginxSize = <F extends number | undefined>(fallbackBytes: F) =>
  scalar<number | F>('a size such as 8m', fallbackBytes, parseNginxSize);

export const texts = <F>(fallback: F) =>
  listOf(text('', 'text'), fallback, { expects: 'a list of texts' });

export const anyList = listOf(anything, undefined, { expects: 'a list' });

/** `unix:<path>` or `<host>:<port>`. */
export const serviceAddress: KeyRule<string | undefined> = text(
  undefined,
  'unix:<path> or <host>:<port>',
  (value) => /^unix:.+$/.test(value) || /^(\[[\da-f:.]+\]|[^\s/:]+):\d{1,5}$/i.test(value),
);

export function isHttpUrl(value: string): boolean {
  return /^https?:\/\//.test(value) && URL.canParse(value);
}

/** An address with or without a prefix length. */
export function isCidr(value: string): boolean {
  const [address = '', prefix, ...rest] = value.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  if (prefix === undefined) return true;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128);
}

export const cidr = text('', 'an IP address or CIDR', isCidr);
