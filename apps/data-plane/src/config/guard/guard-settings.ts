import { join } from 'node:path';
import type { GatewayConfig } from '@polygate/chassis';
import type { StoreGuardOptions } from './store-guard.ts';

/** Only etcd is elsewhere: the other stores are files of this machine. */
export function guardSettings({
  configProvider,
  etcd,
  polygate,
}: GatewayConfig): Pick<StoreGuardOptions, 'checkIntervalMs' | 'lastGood'> {
  if (configProvider !== 'etcd') return { checkIntervalMs: 0, lastGood: undefined };
  const file = join(polygate.dataDir, 'last-good-snapshot.ndjson');
  const source = `${[...etcd.endpoints].sort().join()} ${etcd.prefix}`;
  return {
    checkIntervalMs: polygate.storeCheckIntervalMs,
    lastGood: polygate.lastGoodSnapshot ? { file, source } : undefined,
  };
}
