import { contextKey } from '@polygate/plugin-sdk';
import type { AnswerObserver, ContextKey, LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { HeaderList } from '@polygate/plugin-sdk';
import { cacheKeyOf, holds, variantOf, varyNames } from './cache-key.ts';
import { matchesMethod, replyHeaders, STATUS_HEADER } from './cache-strategy.ts';
import type { CacheStrategy } from './cache-strategy.ts';
import type { DiskFill } from './disk-fill.ts';
import type { DiskHead } from './disk-file.ts';
import type { DiskZone } from './disk-zone.ts';
import { isNotModified, keptUntil } from './freshness.ts';
import type { ProxyCacheConf } from './proxy-cache.schema.ts';

/** One request, from the key to the file. */
interface Progress {
  readonly key: string;
  readonly method: string;
  readonly isBypassed: boolean;
  /** Taken out of the request while it is on its way: alternating names and values. */
  readonly conditions: string[];
  /** What the answer says of itself; undefined until there is one. */
  status: string | undefined;
  first: DiskHead | undefined;
  upstream: { readonly status: number; readonly headers: HeaderList } | undefined;
  fill: DiskFill | undefined;
}

/** nginx's proxy_cache_methods in APISIX. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST']);
/** A part of an answer, or none, is nothing to keep: the upstream is asked for all of it. */
const CONDITIONS: ReadonlySet<string> = new Set([
  'if-modified-since',
  'if-unmodified-since',
  'if-none-match',
  'if-match',
  'range',
  'if-range',
]);
/** Written anew for each answer. */
const NOT_KEPT: ReadonlySet<string> = new Set(['date', 'server', 'content-length']);

/**
 * Answers on disk, as nginx's proxy_cache keeps them: what the upstream said, before any plugin had a
 * hand in it, and looked up when all plugins had their say. Sources:
 * apisix/plugins/proxy-cache/disk_handler.lua, apisix/cli/ngx_tpl.lua.
 */
export class DiskStrategy implements CacheStrategy {
  readonly #conf: ProxyCacheConf;
  readonly #zone: DiskZone;
  readonly #ttlMs: number;
  readonly #progress: ContextKey<Progress> = contextKey('proxy-cache');

  constructor(conf: ProxyCacheConf, zone: DiskZone, ttlMs: number) {
    this.#conf = conf;
    this.#zone = zone;
    this.#ttlMs = ttlMs;
  }

  access(ctx: RequestContext): LocalReply | Promise<LocalReply> | undefined {
    const conf = this.#conf;
    const { method } = ctx.request;
    const key = cacheKeyOf(conf, ctx);
    if (method === 'PURGE') {
      return this.#zone.purge(key).then((wasThere) => ({ status: wasThere ? 200 : 404 }));
    }
    const isBypassed = !matchesMethod(conf, ctx) || holds(conf.cache_bypass, ctx);
    ctx.set(this.#progress, {
      key,
      method,
      isBypassed,
      conditions: [],
      status: undefined,
      first: undefined,
      upstream: undefined,
      fill: undefined,
    });
    return undefined;
  }

  beforeProxy(ctx: RequestContext): LocalReply | undefined | Promise<LocalReply | undefined> {
    const progress = ctx.get(this.#progress);
    if (progress === undefined || !METHODS.has(progress.method)) return undefined;
    // the next node is tried: what there is was looked up before the first
    if (progress.status !== undefined) return this.#askForAll(ctx, progress);
    return this.#zone.find(progress.key, ctx, Date.now()).then((lookup) => {
      if (lookup.kind === 'found') {
        if (!progress.isBypassed) return this.#answer(ctx, progress, lookup);
        lookup.body.cancel();
      }
      progress.first = lookup.kind === 'found' ? lookup.head : lookup.first;
      progress.status = lookup.kind === 'expired' ? 'EXPIRED' : 'MISS';
      if (progress.isBypassed) progress.status = 'BYPASS';
      ctx.response.observe(this.#observer(progress));
      return this.#askForAll(ctx, progress);
    });
  }

  headerFilter(ctx: RequestContext): void {
    const progress = ctx.get(this.#progress);
    if (progress === undefined) return;
    const { response, request } = ctx;
    request.method = progress.method;
    const { conditions } = progress;
    for (let i = 0; i + 1 < conditions.length; i += 2) {
      request.headers.append(conditions[i] as string, conditions[i + 1] as string);
    }
    const { upstream } = progress;
    if (upstream !== undefined && this.#mayKeep(ctx, progress)) {
      progress.fill = this.#startFill(ctx, progress, upstream.status, upstream.headers);
      if (isNotModified(request.headers, response.status, response.headers)) response.status = 304;
    }
    for (const name of ['Cache-Control', 'Expires']) {
      const values = upstream?.headers.getAll(name) ?? [];
      if (this.#conf.hide_cache_headers || values.length === 0) response.headers.delete(name);
      else response.headers.set(name, values);
    }
    if (progress.status === undefined) response.headers.delete(STATUS_HEADER);
    else response.headers.set(STATUS_HEADER, progress.status);
  }

  log(ctx: RequestContext): void {
    ctx.get(this.#progress)?.fill?.giveUp();
  }

  close(): void {
    this.#zone.close();
  }

  /** nginx's proxy_cache_convert_head: what is kept is good for GET, too. */
  #askForAll({ request }: RequestContext, { method, conditions }: Progress): undefined {
    if (method === 'HEAD') request.method = 'GET';
    request.headers.forEach((name, value, lower) => {
      if (CONDITIONS.has(lower)) conditions.push(name, value);
    });
    if (conditions.length > 0) request.headers.retain((name) => !CONDITIONS.has(name));
  }

  #answer(
    ctx: RequestContext,
    progress: Progress,
    { head, body }: { readonly head: DiskHead; readonly body: NonNullable<LocalReply['stream']> },
  ): LocalReply {
    const { status } = head;
    const headers = HeaderList.fromRaw(head.headers);
    progress.status = 'HIT';
    progress.upstream = { status, headers };
    const raw = replyHeaders(head.headers);
    if (!isNotModified(ctx.request.headers, status, headers)) {
      return { status, headers: raw, stream: body };
    }
    body.cancel();
    return { status: 304, headers: raw };
  }

  #observer(progress: Progress): AnswerObserver {
    return {
      onHead(status, headers) {
        progress.upstream = { status, headers: HeaderList.fromRaw(headers.toRaw()) };
      },
      onChunk: (chunk) => progress.fill?.write(chunk),
      onEnd: () => progress.fill?.end(),
      onCut: () => progress.fill?.giveUp(),
    };
  }

  #mayKeep(ctx: RequestContext, { method, status }: Progress): boolean {
    const conf = this.#conf;
    if (status === 'HIT' || !METHODS.has(method) || !conf.cache_method.includes(method))
      return false;
    return conf.cache_http_status.includes(ctx.response.status) && !holds(conf.no_cache, ctx);
  }

  #startFill(
    ctx: RequestContext,
    { key, first }: Progress,
    status: number,
    headers: HeaderList,
  ): DiskFill | undefined {
    const nowMs = Date.now();
    const keptUntilMs = keptUntil(headers, this.#ttlMs, nowMs);
    const vary = varyNames(headers.getAll('vary'));
    if (keptUntilMs === undefined || vary === undefined) return undefined;
    const kept = HeaderList.fromRaw(headers.toRaw());
    kept.retain((name) => !NOT_KEPT.has(name));
    const variant = variantOf(vary, ctx);
    const head = { status, headers: kept.toRaw(), keptUntilMs, vary, variant };
    return this.#zone.fill(key, first, head);
  }
}
