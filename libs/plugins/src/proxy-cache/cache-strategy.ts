import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import type { ProxyCacheConf } from './proxy-cache.schema.ts';

/** Where answers are kept. The phases are those of the plugin. */
export interface CacheStrategy {
  access(ctx: RequestContext): LocalReply | Promise<LocalReply> | undefined;
  beforeProxy?(ctx: RequestContext): LocalReply | undefined | Promise<LocalReply | undefined>;
  headerFilter(ctx: RequestContext): void;
  bodyFilter?(ctx: RequestContext, chunk: Buffer, last: boolean): void;
  log?(ctx: RequestContext): void;
  close?(): void;
}

export const STATUS_HEADER = 'Apisix-Cache-Status';

export function matchesMethod(conf: ProxyCacheConf, { request }: RequestContext): boolean {
  return conf.cache_method.includes(request.method);
}

/** Headers as an answer of the gateway has them: several values of one name in a list. */
export function replyHeaders(raw: readonly string[]): Record<string, string[]> {
  const headers: Record<string, string[]> = {};
  const nameOf = new Map<string, string>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    const lower = name.toLowerCase();
    const known = nameOf.get(lower) ?? name;
    nameOf.set(lower, known);
    // a header may be called like a property of every object
    const values = Object.hasOwn(headers, known) ? (headers[known] as string[]) : [];
    values.push(raw[i + 1] as string);
    Object.defineProperty(headers, known, { value: values, enumerable: true, configurable: true });
  }
  return headers;
}
