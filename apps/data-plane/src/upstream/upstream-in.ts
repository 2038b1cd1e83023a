import type { UpstreamResource } from '@polygate/model';
import type { ConfigItem } from '../config/config-item.ts';

/** The upstream that an object is, or has in itself. */
export function upstreamIn({ kind, value }: ConfigItem): UpstreamResource | undefined {
  if (kind === 'upstreams') return value as UpstreamResource;
  if (kind !== 'routes' && kind !== 'services') return undefined;
  return (value as { upstream?: UpstreamResource }).upstream;
}
