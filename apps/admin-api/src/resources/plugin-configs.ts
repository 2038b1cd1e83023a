import { findUser, usesByField } from '../references.ts';
import type { Resource } from './resource.ts';

export const pluginConfigs: Resource = {
  kind: 'plugin_configs',
  idSource: 'id',
  unsupported: ['POST'],
  filterFields: [],
  refuseDelete: (store, id) =>
    findUser(store, id, 'this plugin config', [
      { kind: 'routes', label: 'route', uses: usesByField('plugin_config_id') },
    ]),
};
