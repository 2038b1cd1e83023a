export type {
  Change,
  ConfigStore,
  StoredItem,
  WatchEvent,
  WriteOptions,
  WriteResult,
} from './config-store.ts';
export { STORE_ERRORS, StoreError, type StoreErrorCode } from './errors.ts';
