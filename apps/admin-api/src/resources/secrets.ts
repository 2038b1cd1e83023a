import type { Resource } from './resource.ts';

/** Ids are `<manager>/<id>`. */
export const secrets: Resource = {
  kind: 'secrets',
  idSource: 'id',
  unsupported: ['POST'],
  filterFields: [],
};
