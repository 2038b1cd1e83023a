import { listOf, section, text } from './key-rules.ts';
import { nginxSize, nginxTime } from './value-rules.ts';

/** What APISIX has for `proxy_cache.zones` when the file says nothing: apisix/cli/config.lua. */
const ZONES = [
  {
    name: 'disk_cache_one',
    memory_size: 50 * 1024 * 1024,
    disk_size: 1024 * 1024 * 1024,
    disk_path: '/tmp/disk_cache_one',
    cache_levels: '1:2',
  },
  {
    name: 'memory_cache',
    memory_size: 50 * 1024 * 1024,
    disk_size: undefined,
    disk_path: undefined,
    cache_levels: undefined,
  },
] as const;

const zone = section({
  name: text('', 'a name', (value) => value !== ''),
  memory_size: nginxSize(50 * 1024 * 1024),
  disk_size: nginxSize(undefined),
  disk_path: text(undefined, 'a path', (value) => value !== ''),
  // nginx's: one to three levels of one or two characters
  cache_levels: text(undefined, 'levels as 1:2', (value) => /^[12](:[12]){0,2}$/.test(value)),
});

/** `apisix.proxy_cache`: the zones that proxy-cache stores in, and how long what says nothing is good. */
export const PROXY_CACHE = section({
  cache_ttl: nginxTime(10_000),
  zones: listOf(zone, ZONES, { expects: 'a list of zones' }),
});
