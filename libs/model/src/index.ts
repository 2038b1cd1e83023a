export { ConfigError } from './errors.ts';
export { RESOURCE_KINDS, RESOURCE_SINGULAR, type ResourceKind } from './resources/kinds.ts';
export type {
  ConsumerResource,
  Labels,
  PluginConf,
  PluginConfs,
  PluginHolderResource,
  PluginMeta,
  ResourceId,
  ResourceTypes,
  RouteResource,
  ServiceResource,
  Timeout,
  UpstreamNode,
  UpstreamResource,
} from './resources/resource-types.ts';
