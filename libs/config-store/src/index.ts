export type {
  Change,
  ConfigStore,
  DeleteResult,
  Guards,
  History,
  HistoryQuery,
  Operation,
  RevisionChange,
  RevisionEntry,
  StoredItem,
  WatchEvent,
  WriteOptions,
  WriteResult,
} from './config-store.ts';
export {
  EmbeddedStore,
  type EmbeddedStoreOptions,
  openEmbeddedStore,
} from './embedded/embedded-store.ts';
export type { Environment } from './file/environment-references.ts';
export { STORE_ERRORS, StoreError, type StoreErrorCode } from './errors.ts';
export type { EtcdTlsOptions } from './etcd/etcd-connection.ts';
export { EtcdStore, type EtcdStoreOptions, openEtcdStore } from './etcd/etcd-store.ts';
export { FileStore, type FileStoreOptions, openFileStore } from './file/file-store.ts';
export { openConfigStore } from './open-config-store.ts';
export {
  COLLECTIONS,
  parseYaml,
  readStandalone,
  type StandaloneDocument,
  type StandaloneFormat,
  type StandaloneItem,
} from './file/standalone-document.ts';
export {
  EMPTY_REVISION,
  MemoryStore,
  type MemoryStoreOptions,
  type ReplaceOptions,
} from './memory/memory-store.ts';
export type { StoreLog } from './store-log.ts';
