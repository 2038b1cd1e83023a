import { createHash } from 'node:crypto';
import type { RequestContext } from '@polygate/plugin-sdk';
import type { ProxyCacheConf } from './proxy-cache.schema.ts';

/** What names the client already: then keys of consumers are not kept apart besides. */
const IDENTITIES: ReadonlySet<string> = new Set([
  '$consumer_name',
  '$consumer_group_id',
  '$remote_user',
  '$http_authorization',
]);

/** The texts and values of variables, one after another. */
export function partsText(parts: readonly string[], { vars }: RequestContext): string {
  let text = '';
  for (const part of parts) text += part.startsWith('$') ? (vars.get(part.slice(1)) ?? '') : part;
  return text;
}

/** Whether the parts say yes: nothing and `0` do not. */
export function holds(parts: readonly string[] | undefined, ctx: RequestContext): boolean {
  if (parts === undefined) return false;
  const text = partsText(parts, ctx);
  return text !== '' && text !== '0';
}

/**
 * What an answer is kept under. The name of who asks stands before it, with a character between that
 * no name has in it.
 */
export function cacheKeyOf(conf: ProxyCacheConf, ctx: RequestContext): string {
  const text = partsText(conf.cache_key, ctx);
  if (!conf.consumer_isolation || conf.cache_key.some((part) => IDENTITIES.has(part))) return text;
  const name = ctx.consumer?.username ?? '';
  const identity = name === '' ? (ctx.vars.get('remote_user') ?? '') : name;
  return identity === '' ? text : `${identity}\x01${text}`;
}

/** Names in Vary, in lower case and in order; undefined for `*`: good for no other request. */
export function varyNames(values: readonly string[]): readonly string[] | undefined {
  const names = values
    .flatMap((value) => value.split(','))
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
  return names.includes('*') ? undefined : names.sort();
}

/** Of the values that a request has for these headers. */
export function variantOf(names: readonly string[], { request }: RequestContext): string {
  if (names.length === 0) return '';
  const values = names.map((name) => request.headers.getAll(name).join(', '));
  return createHash('md5').update(values.join('\0')).digest('hex');
}
