/**
 * Kinds of configuration objects: the name of the Admin API's collection, which is also the
 * directory in the store; but credentials are at `/consumers/<name>/credentials/<id>`, secrets
 * at `/secrets/<manager>/<id>`, and decorations at
 * `/services/<id>/graphql_cost_decorations/<id>`. Sources: apisix/admin/*.lua of APISIX 3.18.
 */
export const RESOURCE_KINDS = [
  'routes',
  'services',
  'upstreams',
  'consumers',
  'consumer_groups',
  'plugin_configs',
  'global_rules',
  'plugin_metadata',
  'credentials',
  'ssls',
  'protos',
  'secrets',
  'stream_routes',
  'graphql_cost_decorations',
] as const;
export type ResourceKind = (typeof RESOURCE_KINDS)[number];

/** How messages name one object of a kind. */
export const RESOURCE_SINGULAR: Readonly<Record<ResourceKind, string>> = {
  routes: 'route',
  services: 'service',
  upstreams: 'upstream',
  consumers: 'consumer',
  consumer_groups: 'consumer group',
  plugin_configs: 'plugin config',
  global_rules: 'global rule',
  plugin_metadata: 'plugin_metadata',
  credentials: 'credential',
  ssls: 'ssl',
  protos: 'proto',
  secrets: 'secret',
  stream_routes: 'stream route',
  graphql_cost_decorations: 'graphql cost decoration',
};
