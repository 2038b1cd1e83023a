import type { Resource } from './resource.ts';

export const ssls: Resource = {
  kind: 'ssls',
  idSource: 'id',
  unsupported: [],
  filterFields: [],
  hiddenFields: ['key', 'keys'],
};
