import type { GatewaySettings } from '@polygate/plugin-sdk';

/** APISIX's defaults, without a zone on disk. */
export function memorySettings(over: Partial<GatewaySettings> = {}): GatewaySettings {
  const memoryBytes = 50 * 1024 * 1024;
  return {
    proxyCache: { ttlMs: 10_000, zones: [{ name: 'memory_cache', memoryBytes, disk: undefined }] },
    realIpHeader: 'X-Real-IP',
    serverlessJavaScript: false,
    graphqlBytesMax: 1024 * 1024,
    ...over,
  };
}
