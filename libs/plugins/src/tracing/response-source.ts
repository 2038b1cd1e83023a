import type { RequestContext } from '@polygate/plugin-sdk';

/**
 * Who answered: the upstream, the gateway itself (`apisix`), or the gateway because no upstream did, for
 * which APISIX's word is `nginx`.
 */
export function responseSource({ response, attempts }: RequestContext): string {
  if (response.source === 'upstream') return 'upstream';
  return attempts.length > 0 ? 'nginx' : 'apisix';
}
