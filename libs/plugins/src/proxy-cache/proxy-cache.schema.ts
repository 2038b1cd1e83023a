import { ConfigError } from '@polygate/model';
import type { GatewaySettings, PluginDefinition } from '@polygate/plugin-sdk';

export interface ProxyCacheConf {
  /** Bytes of an answer that is kept in memory; larger ones pass without being kept. */
  readonly max_resp_body_size: number;
  readonly cache_zone: string;
  readonly cache_strategy: 'disk' | 'memory';
  /** Texts, or variables as `$uri`. */
  readonly cache_key: readonly string[];
  readonly cache_http_status: readonly number[];
  readonly cache_method: readonly string[];
  readonly hide_cache_headers: boolean;
  /** Whether Cache-Control of requests and answers counts; memory only. */
  readonly cache_control: boolean;
  readonly cache_bypass?: readonly string[];
  readonly no_cache?: readonly string[];
  /** Seconds; memory only. */
  readonly cache_ttl: number;
  readonly consumer_isolation: boolean;
  readonly cache_set_cookie: boolean;
}

const KEY_PATTERN = '(^[^\\$].+$|^\\$[0-9a-zA-Z_]+$)';
const keyParts = { type: 'array', minItems: 1, items: { type: 'string', pattern: KEY_PATTERN } };

/** Source: apisix/plugins/proxy-cache/init.lua. */
export const definition: PluginDefinition<ProxyCacheConf> = {
  name: 'proxy-cache',
  version: 0.2,
  priority: 1085,
  schema: {
    type: 'object',
    properties: {
      max_resp_body_size: {
        type: 'integer',
        minimum: 1,
        default: 67108864,
        description:
          'maximum response body size in bytes buffered into memory by the memory cache strategy; ' +
          'larger responses are streamed through without being cached',
      },
      cache_zone: { type: 'string', minLength: 1, maxLength: 100, default: 'disk_cache_one' },
      cache_strategy: { type: 'string', enum: ['disk', 'memory'], default: 'disk' },
      cache_key: {
        ...keyParts,
        items: { ...keyParts.items, description: 'a key for caching' },
        default: ['$host', '$request_uri'],
      },
      cache_http_status: {
        type: 'array',
        minItems: 1,
        items: {
          description: 'http response status',
          type: 'integer',
          minimum: 200,
          maximum: 599,
        },
        uniqueItems: true,
        default: [200, 301, 404],
      },
      cache_method: {
        type: 'array',
        minItems: 1,
        items: {
          description: 'supported http method',
          type: 'string',
          enum: ['GET', 'POST', 'HEAD'],
        },
        uniqueItems: true,
        default: ['GET', 'HEAD'],
      },
      hide_cache_headers: { type: 'boolean', default: false },
      cache_control: { type: 'boolean', default: false },
      cache_bypass: keyParts,
      no_cache: keyParts,
      cache_ttl: { type: 'integer', minimum: 1, default: 300 },
      consumer_isolation: { type: 'boolean', default: true },
      cache_set_cookie: { type: 'boolean', default: false },
    },
  },
  check(conf, _plugins, settings) {
    if (conf.cache_key.includes('$request_method')) {
      throw new ConfigError('cache_key variable $request_method unsupported');
    }
    if (settings !== undefined) checkZone(conf, settings);
  },
};

function checkZone(
  { cache_zone: name, cache_strategy: strategy }: ProxyCacheConf,
  { proxyCache }: GatewaySettings,
): void {
  const zone = proxyCache.zones.find((one) => one.name === name);
  if (zone === undefined) throw new ConfigError(`cache_zone ${name} not found`);
  if ((strategy === 'disk') === (zone.disk !== undefined)) return;
  throw new ConfigError(`invalid or empty cache_zone for cache_strategy: ${strategy}`);
}
