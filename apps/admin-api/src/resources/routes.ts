import {
  findDanglingCertificate,
  findDanglingReference,
  type Reference,
  UPSTREAM_REFERENCE,
} from '../references.ts';
import type { Resource } from './resource.ts';

const references: readonly Reference[] = [
  UPSTREAM_REFERENCE,
  { field: 'service_id', kind: 'services', label: 'service' },
  { field: 'plugin_config_id', kind: 'plugin_configs', label: 'plugin config' },
];

export const routes: Resource = {
  kind: 'routes',
  idSource: 'id',
  unsupported: [],
  filterFields: ['service_id', 'upstream_id'],
  refuseWrite: async ({ store, value }) =>
    (await findDanglingCertificate(store, value['upstream'])) ??
    findDanglingReference(store, value, references),
};
