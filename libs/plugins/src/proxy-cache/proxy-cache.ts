import { definePlugin } from '@polygate/plugin-sdk';
import type { CacheStrategy } from './cache-strategy.ts';
import { createStrategy } from './create-strategy.ts';
import { definition, type ProxyCacheConf } from './proxy-cache.schema.ts';

/** Keeps answers of upstreams, in memory or on disk. */
export default definePlugin<ProxyCacheConf, CacheStrategy>(definition, {
  prepare: createStrategy,

  runsIn: (phase, strategy) => phase === 'access' || phase === 'headerFilter' || phase in strategy,
  dispose: (strategy) => strategy.close?.(),
  access: (ctx, strategy) => strategy.access(ctx),
  beforeProxy: (ctx, strategy) => strategy.beforeProxy?.(ctx),
  headerFilter: (ctx, strategy) => strategy.headerFilter(ctx),
  bodyFilter(ctx, strategy, chunk, last) {
    strategy.bodyFilter?.(ctx, chunk, last);
    return chunk;
  },
  log: (ctx, strategy) => strategy.log?.(ctx),
});
