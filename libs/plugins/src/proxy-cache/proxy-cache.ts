import { definePlugin } from '@polygate/plugin-sdk';
import type { PluginEnvironment } from '@polygate/plugin-sdk';
import type { CacheStrategy } from './cache-strategy.ts';
import { DiskStrategy } from './disk-strategy.ts';
import { DiskSweeper } from './disk-sweeper.ts';
import { DiskZone } from './disk-zone.ts';
import type { DiskSettings } from './disk-zone.ts';
import { MemoryStrategy } from './memory-strategy.ts';
import { definition, type ProxyCacheConf } from './proxy-cache.schema.ts';

/** Keeps answers of upstreams, in memory or on disk. */
export default definePlugin<ProxyCacheConf, CacheStrategy>(definition, {
  prepare(conf, env) {
    const { proxyCache } = env.settings;
    const zone = proxyCache.zones.find(({ name }) => name === conf.cache_zone);
    const disk = zone?.disk;
    if (conf.cache_strategy === 'disk' && disk !== undefined) {
      const diskZone = new DiskZone(disk, sweeperOf(disk, env), env.log);
      return new DiskStrategy(conf, diskZone, proxyCache.ttlMs);
    }
    const cache = env.sharedCache(conf.cache_zone);
    if (zone === undefined || cache === undefined) {
      throw new Error(`no zone ${conf.cache_zone} for ${conf.cache_strategy}`);
    }
    return new MemoryStrategy(conf, cache, Math.min(conf.max_resp_body_size, zone.memoryBytes));
  },

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

/** One a folder and thread, whatever the number of confs. */
const sweepers = new Map<string, DiskSweeper>();

function sweeperOf(disk: DiskSettings, { shared, log }: PluginEnvironment): DiskSweeper {
  let sweeper = sweepers.get(disk.path);
  if (sweeper === undefined) {
    const onReleased = (): void => void sweepers.delete(disk.path);
    sweeper = new DiskSweeper(disk, { shared, log, onReleased });
    sweepers.set(disk.path, sweeper);
  }
  return sweeper.use();
}
