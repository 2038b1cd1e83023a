import type { PluginEnvironment } from '@polygate/plugin-sdk';
import type { CacheStrategy } from './cache-strategy.ts';
import { DiskStrategy } from './disk-strategy.ts';
import { DiskSweeper } from './disk-sweeper.ts';
import { DiskZone } from './disk-zone.ts';
import type { DiskSettings } from './disk-zone.ts';
import { MemoryStrategy } from './memory-strategy.ts';
import type { ProxyCacheConf } from './proxy-cache.schema.ts';

/** Of the conf's zone. Throws where there is none of that name for its strategy. */
export function createStrategy(conf: ProxyCacheConf, env: PluginEnvironment): CacheStrategy {
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
}

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
