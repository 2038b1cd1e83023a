import {
  findDanglingCertificate,
  findDanglingReference,
  findUser,
  UPSTREAM_REFERENCE,
  usesByField,
} from '../references.ts';
import type { Resource } from './resource.ts';

export const services: Resource = {
  kind: 'services',
  idSource: 'id',
  unsupported: [],
  filterFields: [],
  refuseWrite: async ({ store, value }) =>
    (await findDanglingCertificate(store, value['upstream'])) ??
    findDanglingReference(store, value, [UPSTREAM_REFERENCE]),
  ownedPrefix: (id) => `/services/${id}/graphql_cost_decorations/`,
  reclaimsOwned: true,
  refuseDelete: (store, id) =>
    findUser(store, id, 'this service directly', [
      { kind: 'routes', label: 'route', uses: usesByField('service_id') },
      { kind: 'stream_routes', label: 'stream_route', uses: usesByField('service_id') },
    ]),
};
