import { ConfigError } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface GraphqlProxyCacheConf {
  readonly cache_zone: string;
  readonly cache_strategy: 'disk' | 'memory';
  /** Seconds; memory only. */
  readonly cache_ttl: number;
  readonly consumer_isolation: boolean;
  readonly cache_set_cookie: boolean;
}

/** Source: apisix/plugins/graphql-proxy-cache.lua. */
export const definition: PluginDefinition<GraphqlProxyCacheConf> = {
  name: 'graphql-proxy-cache',
  version: 0.1,
  priority: 1009,
  schema: {
    type: 'object',
    properties: {
      cache_zone: { type: 'string', minLength: 1, maxLength: 100, default: 'disk_cache_one' },
      cache_strategy: { type: 'string', enum: ['disk', 'memory'], default: 'disk' },
      cache_ttl: { type: 'integer', minimum: 1, default: 300 },
      consumer_isolation: { type: 'boolean', default: true },
      cache_set_cookie: { type: 'boolean', default: false },
    },
  },
  check({ cache_zone: name, cache_strategy: strategy }, _plugins, settings) {
    if (settings === undefined) return;
    const zone = settings.proxyCache.zones.find((one) => one.name === name);
    if (zone === undefined) throw new ConfigError(`cache_zone ${name} not found`);
    if ((strategy === 'disk') === (zone.disk !== undefined)) return;
    throw new ConfigError(`invalid or empty cache_zone for cache_strategy: ${strategy}`);
  },
};
