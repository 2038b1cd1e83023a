import path from 'node:path';
import type { GatewayConfig } from '@polygate/chassis';
import type { ConfigStore } from './config-store.ts';
import { openEmbeddedStore } from './embedded/embedded-store.ts';
import { openEtcdStore } from './etcd/etcd-store.ts';
import { openFileStore } from './file/file-store.ts';
import { MemoryStore } from './memory/memory-store.ts';
import type { StoreLog } from './store-log.ts';

/** The store that a configuration file names. */
export function openConfigStore(
  config: Pick<GatewayConfig, 'configProvider' | 'etcd' | 'standaloneFile' | 'polygate'>,
  log: StoreLog,
): ConfigStore {
  switch (config.configProvider) {
    case 'etcd':
      return openEtcdStore({ ...config.etcd, log });
    case 'embedded':
      return openEmbeddedStore({ file: path.join(config.polygate.dataDir, 'config.db'), log });
    case 'memory':
      return new MemoryStore({ howToWrite: 'PUT /apisix/admin/configs' });
    case 'yaml':
    case 'json':
      return openFileStore({
        file: config.standaloneFile,
        format: config.configProvider,
        env: process.env,
        log,
      });
  }
}
