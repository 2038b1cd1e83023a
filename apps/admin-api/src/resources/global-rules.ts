import { isJsonObject } from '../json-object.ts';
import { findDuplicateGlobalPlugin } from '../references.ts';
import type { Resource } from './resource.ts';

export const globalRules: Resource = {
  kind: 'global_rules',
  idSource: 'id',
  unsupported: ['POST'],
  filterFields: [],
  refuseWrite: ({ store, id, value: { plugins } }) =>
    findDuplicateGlobalPlugin(store, id, isJsonObject(plugins) ? plugins : {}),
};
