import { AddressPool } from './address-pool.ts';
import type { ManagedPool, PoolOptions } from './managed-pool.ts';
import { ProcessPool } from './process-pool.ts';

/** Starts a pool. @throws {RangeError} when `runDir` is too long for a socket's path. */
export function makePool(options: PoolOptions): ManagedPool {
  const { source, ...config } = options.config;
  return 'cmd' in source
    ? new ProcessPool({ ...options, config: { ...config, source } })
    : new AddressPool({ ...options, config: { ...config, source } });
}
