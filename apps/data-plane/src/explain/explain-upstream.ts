import type { CompiledRoute } from '../config/config-snapshot.ts';
import type { ItemOf } from '../config/item-store.ts';
import { originOf } from '../config/prepared-plugins.ts';
import type { SnapshotParts } from '../config/snapshot-builder.ts';
import { DEFAULT_TIMEOUTS_MS } from '../upstream/compiled-upstream.ts';
import type { CompiledUpstream } from '../upstream/compiled-upstream.ts';

/** The upstream of a route, and the object that says so. Null where there is none at all. */
export function explainUpstream(
  written: CompiledUpstream | undefined,
  {
    route,
    item,
    parts,
  }: { route: CompiledRoute; item: ItemOf<'routes'>; parts: Pick<SnapshotParts, 'items'> },
): Record<string, unknown> | null {
  const isOwn = item.value.upstream !== undefined || item.value.upstream_id !== undefined;
  const holder = isOwn ? item : parts.items.get('services', item.value.service_id);
  const from = holder === undefined ? null : originOf(holder);
  const upstream = written && (written.discovered?.current(written) ?? written);
  if (upstream === undefined) {
    if (route.upstreamId === undefined) return null;
    return { from, id: route.upstreamId, problem: 'there is no such upstream' };
  }
  const { connect, send, read } = route.timeoutsMs ?? upstream.timeoutsMs ?? DEFAULT_TIMEOUTS_MS;
  return {
    from,
    id: upstream.id ?? null,
    scheme: upstream.scheme,
    pass_host: upstream.passHost,
    ...(upstream.upstreamHost !== undefined && { upstream_host: upstream.upstreamHost }),
    nodes: upstream.nodes.map(({ host, port, weight, priority }) => ({
      host,
      port,
      weight,
      priority,
    })),
    retries: upstream.retriesMax,
    timeout_ms: { connect, send, read },
    ...(upstream.whyNoNode !== undefined && { problem: upstream.whyNoNode }),
    ...(upstream.problem !== undefined && { problem: upstream.problem }),
  };
}
