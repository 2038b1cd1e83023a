import { findUser, usesProto } from '../references.ts';
import type { Resource } from './resource.ts';

export const protos: Resource = {
  kind: 'protos',
  idSource: 'id',
  unsupported: ['PATCH'],
  filterFields: [],
  refuseDelete: (store, id) =>
    findUser(store, id, 'this proto', [
      { kind: 'routes', label: 'route', uses: usesProto },
      { kind: 'services', label: 'service', uses: usesProto },
    ]),
};
