import type { LocalReply, PublicApi, PublicApiSources } from '@polygate/plugin-sdk';
import { purgeFile } from '../proxy-cache/disk-zone.ts';
import { MemoryZone } from '../proxy-cache/memory-zone.ts';

const PREFIX = '/apisix/plugin/graphql-proxy-cache/';

/** `PURGE <prefix><strategy>/<route>/<key>`. */
export function purgeApi(sources: PublicApiSources): PublicApi {
  return {
    methods: ['PURGE'],
    path: `${PREFIX}*`,
    handle({ vars, request, log }) {
      const path = vars.get('uri') ?? request.path;
      const [strategy, routeId, key] = path.slice(PREFIX.length).split('/');
      const refuse = (status: number, reason: string): LocalReply => {
        log.error(reason);
        return { status };
      };
      if (strategy !== 'disk' && strategy !== 'memory') {
        return refuse(400, `invalid strategy in purge request: ${strategy ?? ''}`);
      }
      if (!routeId || !key) return refuse(400, 'missing route_id or cache_key in purge request');
      const conf = sources.confOf?.(routeId);
      if (conf === undefined) {
        return refuse(404, `failed to find graphql-proxy-cache conf, route_id: ${routeId}`);
      }
      const configured = conf['cache_strategy'];
      if (strategy !== configured) {
        const mismatch = `request strategy is ${strategy} but route is configured with`;
        return refuse(400, `strategy mismatch: ${mismatch} ${String(configured)}`);
      }
      const purged = purge(sources, String(conf['cache_zone']), key);
      return strategy === 'memory' || purged === undefined
        ? { status: 200 }
        : purged.then((wasThere) =>
            wasThere
              ? { status: 200 }
              : refuse(404, `failed to purge graphql cache, file not exists: ${key}`),
          );
    },
  };
}

/** Of a zone on disk: whether there was a file. */
function purge(
  { settings, sharedCache }: PublicApiSources,
  zoneName: string,
  key: string,
): Promise<boolean> | undefined {
  const disk = settings.proxyCache.zones.find(({ name }) => name === zoneName)?.disk;
  if (disk !== undefined) return purgeFile(disk, key);
  const cache = sharedCache?.(zoneName);
  if (cache !== undefined) new MemoryZone(cache).purge(key);
  return undefined;
}
