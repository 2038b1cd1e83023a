import { contextKey, HeaderList } from '@polygate/plugin-sdk';
import type { ContextKey, LocalReply, RequestContext, SharedCache } from '@polygate/plugin-sdk';
import { cacheKeyOf, holds, varyNames } from './cache-key.ts';
import { matchesMethod, replyHeaders, STATUS_HEADER } from './cache-strategy.ts';
import type { CacheStrategy } from './cache-strategy.ts';
import { isNotModified, parseCacheControl, statedLifetime } from './freshness.ts';
import type { CacheDirectives } from './freshness.ts';
import { keptHeaders } from './memory-entry.ts';
import type { MemoryEntry } from './memory-entry.ts';
import { MemoryZone } from './memory-zone.ts';
import type { ProxyCacheConf } from './proxy-cache.schema.ts';

/** An answer that is on its way and may be kept. */
interface Filling {
  readonly key: string;
  head: { headers: readonly string[]; vary: readonly string[]; ttl: number } | undefined;
  chunks: Buffer[];
  bytes: number;
}

const CACHE_HEADERS: ReadonlySet<string> = new Set(['expires', 'cache-control']);
/** Bodies there are none of, whatever the headers say. */
const BODILESS: ReadonlySet<number> = new Set([204, 304]);

/**
 * Answers in memory that all workers share. Source: apisix/plugins/proxy-cache/memory_handler.lua.
 * `bytesMax`: of a body; a larger one would not be taken by the zone either.
 */
export class MemoryStrategy implements CacheStrategy {
  readonly #conf: ProxyCacheConf;
  readonly #zone: MemoryZone;
  readonly #bytesMax: number;
  /** A key per conf: it may stand in a global rule too. */
  readonly #filling: ContextKey<Filling | undefined> = contextKey('proxy-cache');

  constructor(conf: ProxyCacheConf, cache: SharedCache, bytesMax: number) {
    this.#conf = conf;
    this.#zone = new MemoryZone(cache);
    this.#bytesMax = bytesMax;
  }

  access(ctx: RequestContext): LocalReply | undefined {
    const { request } = ctx;
    const key = cacheKeyOf(this.#conf, ctx);
    if (request.method === 'PURGE') return { status: this.#zone.purge(key) ? 200 : 404 };
    const control = parseCacheControl(request.headers);
    const bypass = this.#reasonToPass(ctx, control);
    if (bypass !== undefined) return say(ctx, bypass);

    ctx.set(this.#filling, { key, head: undefined, chunks: [], bytes: 0 });
    const lookup = this.#zone.find(key, ctx);
    if (lookup.kind === 'expired') return say(ctx, 'EXPIRED');
    if (lookup.kind === 'missing') {
      say(ctx, 'MISS');
      const isOnlyCached = this.#conf.cache_control && control.has('only-if-cached');
      return isOnlyCached ? { status: 504 } : undefined;
    }
    const ageSeconds = Date.now() / 1000 - lookup.entry.timestamp;
    if (this.#isStale(lookup.entry, ageSeconds, control)) return say(ctx, 'STALE');
    ctx.set(this.#filling, undefined);
    return this.#answer(ctx, lookup.entry, ageSeconds);
  }

  headerFilter(ctx: RequestContext): void {
    const filling = ctx.get(this.#filling);
    if (filling === undefined) return;
    const { response } = ctx;
    filling.head = this.#keptHead(ctx);
    if (this.#conf.hide_cache_headers) {
      for (const name of CACHE_HEADERS) response.headers.deleteKnown(name);
    }
    const hasBody = ctx.request.method !== 'HEAD' && !BODILESS.has(response.status);
    if (filling.head === undefined || !hasBody) ctx.set(this.#filling, undefined);
  }

  bodyFilter(ctx: RequestContext, chunk: Buffer, last: boolean): void {
    const filling = ctx.get(this.#filling);
    if (filling?.head === undefined) return;
    filling.bytes += chunk.length;
    if (filling.bytes >= this.#bytesMax) {
      ctx.set(this.#filling, undefined);
      return;
    }
    if (chunk.length > 0) filling.chunks.push(chunk);
    if (!last) return;
    ctx.set(this.#filling, undefined);
    const { headers, vary, ttl } = filling.head;
    const entry: MemoryEntry = {
      status: ctx.response.status,
      headers,
      ttl,
      timestamp: Date.now() / 1000,
      body: Buffer.concat(filling.chunks, filling.bytes),
    };
    if (!this.#zone.store(filling.key, entry, vary, ctx)) {
      ctx.log.error('failed to set cache, err: no memory');
    }
  }

  #reasonToPass(ctx: RequestContext, control: CacheDirectives): 'MISS' | 'BYPASS' | undefined {
    const conf = this.#conf;
    if (!matchesMethod(conf, ctx)) return 'MISS';
    if (holds(conf.cache_bypass, ctx)) return 'BYPASS';
    const isRefused = control.has('no-store') || control.has('no-cache');
    return conf.cache_control && isRefused ? 'BYPASS' : undefined;
  }

  #isStale({ ttl }: MemoryEntry, ageSeconds: number, control: CacheDirectives): boolean {
    if (!this.#conf.cache_control) return ageSeconds > ttl;
    const seconds = (name: string): number | undefined => {
      const value = control.get(name);
      return typeof value === 'number' ? value : undefined;
    };
    const [maxAge, maxStale, minFresh] = ['max-age', 'max-stale', 'min-fresh'].map(seconds);
    if (maxAge !== undefined && ageSeconds > maxAge) return true;
    if (maxStale !== undefined && ageSeconds - ttl > maxStale) return true;
    return minFresh !== undefined && ttl - ageSeconds < minFresh;
  }

  #answer(ctx: RequestContext, entry: MemoryEntry, ageSeconds: number): LocalReply {
    const { early } = ctx.response;
    early.set('Age', String(Math.max(0, Math.floor(ageSeconds))));
    early.set(STATUS_HEADER, 'HIT');
    const kept = HeaderList.fromRaw(entry.headers);
    if (this.#conf.hide_cache_headers) kept.retain((name) => !CACHE_HEADERS.has(name));
    const headers = replyHeaders(kept.toRaw());
    if (isNotModified(ctx.request.headers, entry.status, kept)) return { status: 304, headers };
    return { status: entry.status, headers, body: entry.body };
  }

  /** Undefined for an answer that must not be kept. */
  #keptHead(ctx: RequestContext): Filling['head'] {
    const conf = this.#conf;
    const { response } = ctx;
    const { headers } = response;
    if (!conf.cache_http_status.includes(response.status)) return undefined;
    if (holds(conf.no_cache, ctx)) return undefined;
    if (!conf.cache_set_cookie && headers.getAll('set-cookie').some((value) => value !== ''))
      return undefined;
    // what the gateway itself answers says nothing of how long it is good
    const said = response.source === 'upstream' ? headers : new HeaderList();
    const control = parseCacheControl(said);
    if (['private', 'no-store', 'no-cache'].some((word) => control.has(word))) return undefined;
    const stated = statedLifetime(control, said, Date.now());
    if (conf.cache_control && stated <= 0) return undefined;
    const vary = varyNames(said.getAll('vary'));
    if (vary === undefined) return undefined;
    return {
      headers: keptHeaders(headers),
      vary,
      ttl: conf.cache_control ? stated : conf.cache_ttl,
    };
  }
}

function say({ response }: RequestContext, status: string): undefined {
  response.early.set(STATUS_HEADER, status);
}
