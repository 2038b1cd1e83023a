import type { Resource } from './resource.ts';

export const pluginMetadata: Resource = {
  kind: 'plugin_metadata',
  idSource: 'name',
  unsupported: ['POST', 'PATCH'],
  filterFields: [],
};
