import type { ConfigStore, StoredItem } from '@polygate/config-store';
import {
  type DataEncryption,
  decryptPluginConfs,
  encryptResource,
  type EncryptionOptions,
} from '@polygate/model';
import type { Logger } from '@polygate/plugin-sdk';
import type { Definitions } from '../plugins/plugin-set.ts';

export interface EncryptedStoreOptions {
  readonly store: ConfigStore;
  readonly encryption: DataEncryption;
  /** As they are now. */
  readonly plugins: () => Definitions;
  readonly log: Logger;
}

/**
 * The store as the Admin API sees it: what is written is encrypted (`encrypt_fields` of plugins,
 * private keys), what is read has plugin confs in clear and private keys encrypted. What a write
 * answers, and what a watch yields, is as stored. Sources: check_conf in apisix/admin/resource.lua,
 * decrypt_params in apisix/admin/utils.lua.
 */
export function encryptedStore({ store, encryption, plugins, log }: EncryptedStoreOptions) {
  const encrypt = (key: string, value: unknown): unknown =>
    encryptResource(kindOf(key), value, { encryption, plugins: plugins(), name: nameOf(key) });
  const decrypt = (item: StoredItem): StoredItem =>
    decryptItem(item, { encryption, plugins: plugins() }, log);

  const encrypted: ConfigStore = {
    writable: store.writable,
    get: async (key) => {
      const item = await store.get(key);
      return item && decrypt(item);
    },
    list: async (prefix) => {
      const { revision, items } = await store.list(prefix);
      return { revision, items: items.map(decrypt) };
    },
    put: (key, value, writeOptions) => store.put(key, encrypt(key, value), writeOptions),
    push: (dir, value, writeOptions) => store.push(dir, encrypt(`${dir}/`, value), writeOptions),
    delete: (key) => store.delete(key),
    deletePrefix: (prefix) => store.deletePrefix(prefix),
    transact: (operations, guards) =>
      store.transact(
        operations.map((operation) =>
          operation.kind === 'put'
            ? { ...operation, value: encrypt(operation.key, operation.value) }
            : operation,
        ),
        guards,
      ),
    listAt: async (prefix, revision) => (await store.listAt(prefix, revision)).map(decrypt),
    history: (query) => store.history(query),
    watch: (signal) => store.watch(signal),
    close: () => store.close(),
  };
  return encrypted;
}

function decryptItem(item: StoredItem, options: EncryptionOptions, log: Logger): StoredItem {
  const { key } = item;
  const { value, failed } = decryptPluginConfs(kindOf(key), item.value, {
    ...options,
    name: nameOf(key),
  });
  if (failed.length > 0) {
    log.info(
      `failed to decrypt ${failed.join(', ')} of ${key}: stored in clear, or encrypted with a key ` +
        'that the keyring does not hold; write it again to have it encrypted',
    );
  }
  return { ...item, value };
}

/** `routes` of `/routes/1`, `credentials` of `/consumers/jack/credentials/1`. */
function kindOf(key: string): string {
  const [, kind = '', , sub] = key.split('/');
  return kind === 'consumers' && sub === 'credentials' ? sub : kind;
}

function nameOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}
