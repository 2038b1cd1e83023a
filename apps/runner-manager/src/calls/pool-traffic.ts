import type { PluginConf } from '@polygate/rpc';
import type { HeldConfs } from '../connection/held-confs.ts';
import type { RunnerLimits } from '../manager-options.ts';
import type { RunnerPool } from '../pool/runner-pool.ts';
import { CallQueue } from './call-queue.ts';
import { PluginStats } from './plugin-stats.ts';

/** A pool with the confs that data planes hold for it. */
export interface ServedPool {
  readonly pool: RunnerPool;
  readonly confs: HeldConfs;
}

/** What goes on at one pool. */
export interface PoolTraffic extends ServedPool {
  readonly queue: CallQueue;
  readonly stats: PluginStats;
}

/** By name of the pool, as it is at any time. */
export type Traffic = ReadonlyMap<string, PoolTraffic>;

export function poolTraffic({ pool, confs }: ServedPool, limits: RunnerLimits): PoolTraffic {
  return { pool, confs, queue: new CallQueue(pool, limits), stats: new PluginStats() };
}

/** Under this name the calls of a conf are counted. */
export function pluginNameOf(plugins: readonly PluginConf[]): string {
  return plugins[0]?.name ?? '';
}
