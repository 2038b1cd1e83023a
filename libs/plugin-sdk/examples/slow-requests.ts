// log: every request, however it ended. With metrics, plugin_attr and metadata.
import { definePlugin } from '@polygate/plugin-sdk';
import type { Histogram } from '@polygate/plugin-sdk';

interface Conf {
  readonly over_ms: number;
}

interface Prepared {
  readonly overMs: number;
  readonly times: Histogram;
  readonly note: string;
}

export default definePlugin<Conf, Prepared>(
  {
    name: 'slow-requests',
    version: 1,
    priority: 410,
    schema: {
      type: 'object',
      properties: { over_ms: { type: 'integer', minimum: 0, default: 1000 } },
    },
    // for /apisix/admin/plugin_metadata/slow-requests: one for all confs, changed while it runs
    metadataSchema: { type: 'object', properties: { note: { type: 'string' } } },
  },
  {
    prepare: ({ over_ms }, env) => ({
      overMs: over_ms,
      note: (env.metadata['note'] as string | undefined) ?? 'slow',
      // asking twice for one name gives the same metric; `plugin_attr` is of the configuration file
      times: env.metrics.histogram(
        'slow_requests_duration_ms',
        'Duration of requests that took too long',
        ['route'],
        (env.attr['buckets'] as number[] | undefined) ?? [1000, 5000, 30_000],
      ),
    }),

    log(ctx, { overMs, note, times }) {
      const tookMs = Date.now() - ctx.startTimeMs;
      if (tookMs < overMs) return;
      times.observe([ctx.route?.id ?? ''], tookMs);
      ctx.log.warn(`${note}: ${ctx.request.rawTarget} took ${tookMs} ms`);
    },
  },
);
