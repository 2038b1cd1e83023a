import {
  type Dependents,
  findDanglingCertificate,
  findUser,
  usesUpstream,
  usesUpstreamInPlugin,
} from '../references.ts';
import type { Resource } from './resource.ts';

// `global_rules` in the plural is APISIX's own slip
const dependents: readonly Dependents[] = [
  { kind: 'routes', label: 'route', uses: usesUpstream },
  { kind: 'services', label: 'service', uses: usesUpstream },
  { kind: 'plugin_configs', label: 'plugin_config', uses: usesUpstreamInPlugin },
  { kind: 'consumers', label: 'consumer', uses: usesUpstreamInPlugin },
  { kind: 'consumer_groups', label: 'consumer_group', uses: usesUpstreamInPlugin },
  { kind: 'global_rules', label: 'global_rules', uses: usesUpstreamInPlugin },
];

export const upstreams: Resource = {
  kind: 'upstreams',
  idSource: 'id',
  unsupported: [],
  filterFields: [],
  refuseWrite: ({ store, value }) => findDanglingCertificate(store, value),
  refuseDelete: (store, id) => findUser(store, id, 'this upstream', dependents),
};
