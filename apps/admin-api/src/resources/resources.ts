import type { ResourceKind } from '@polygate/model';
import { consumerGroups } from './consumer-groups.ts';
import { consumers } from './consumers.ts';
import { credentials } from './credentials.ts';
import { globalRules } from './global-rules.ts';
import { graphqlCostDecorations } from './graphql-cost-decorations.ts';
import { pluginConfigs } from './plugin-configs.ts';
import { pluginMetadata } from './plugin-metadata.ts';
import { protos } from './protos.ts';
import type { Resource } from './resource.ts';
import { routes } from './routes.ts';
import { secrets } from './secrets.ts';
import { services } from './services.ts';
import { ssls } from './ssls.ts';
import { streamRoutes } from './stream-routes.ts';
import { upstreams } from './upstreams.ts';

const RESOURCES = {
  routes,
  services,
  upstreams,
  consumers,
  consumer_groups: consumerGroups,
  plugin_configs: pluginConfigs,
  global_rules: globalRules,
  plugin_metadata: pluginMetadata,
  credentials,
  ssls,
  protos,
  secrets,
  stream_routes: streamRoutes,
  graphql_cost_decorations: graphqlCostDecorations,
} as const satisfies Readonly<Record<ResourceKind, Resource>>;

/** The kind that a path names, if there is one. */
export function findResource(name: string): Resource | undefined {
  return Object.hasOwn(RESOURCES, name) ? RESOURCES[name as ResourceKind] : undefined;
}

export const RESOURCE_LIST: readonly Resource[] = Object.values(RESOURCES);
