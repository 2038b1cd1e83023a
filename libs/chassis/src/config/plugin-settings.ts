import { resolve } from 'node:path';
import type { CacheZoneConfig, PluginSettings } from './gateway-config.ts';
import type { WrittenConfig } from './keys/known-keys.ts';
import type { ReadContext } from './read-context.ts';

type WrittenZone = NonNullable<WrittenConfig['apisix']['proxy_cache']['zones']>[number];

/** Relative paths count from the working directory, as those of certificates do. */
export function readPluginSettings(
  { apisix, graphql, nginx_config: nginx, polygate }: WrittenConfig,
  { findings }: ReadContext,
): PluginSettings {
  const zones = apisix.proxy_cache.zones.map(readZone);
  const names = new Set<string>();
  for (const { name } of zones) {
    if (names.has(name)) findings.problems.push(`apisix.proxy_cache.zones: ${name} is there twice`);
    names.add(name);
  }
  return {
    proxyCache: { ttlMs: apisix.proxy_cache.cache_ttl, zones },
    realIpHeader: nginx.http.real_ip_header,
    serverlessJavaScript: polygate.serverless_javascript,
    graphqlBytesMax: graphql.max_size,
  };
}

/** As in apisix/cli/ngx_tpl.lua a zone is on disk when it has path, levels and size. */
function readZone(zone: WrittenZone): CacheZoneConfig {
  const { disk_path: path, cache_levels: levels, disk_size: bytesMax } = zone;
  const isOnDisk = path !== undefined && levels !== undefined && bytesMax !== undefined;
  return {
    name: zone.name,
    memoryBytes: zone.memory_size,
    disk: isOnDisk
      ? { path: resolve(path), levels: levels.split(':').map(Number), bytesMax }
      : undefined,
  };
}
