import type { UpstreamResource } from '@polygate/model';
import { definePlugin } from '@polygate/plugin-sdk';
import type { ConfSource, UpstreamHandle } from '@polygate/plugin-sdk';
import { definition, type ExamplePluginConf } from './example-plugin.schema.ts';

interface Prepared {
  readonly source: ConfSource;
  /** As JSON, for the log. */
  readonly conf: string;
  /** In the place of the route's. */
  readonly upstream: UpstreamHandle | undefined;
}

/** Shows every phase: each says in the log that it ran; and how to choose an upstream. */
export default definePlugin<ExamplePluginConf, Prepared>(definition, {
  prepare(conf, { source, attr, log, compileUpstream }) {
    if (attr['val'] !== undefined) {
      log.info(`${definition.name} get plugin attr val: ${JSON.stringify(attr['val'])}`);
    }
    return {
      source,
      conf: JSON.stringify(conf),
      upstream: conf.ip === undefined ? undefined : compileUpstream(nodeAt(conf.ip, conf.port)),
    };
  },

  controlApis: () => [
    {
      methods: ['GET'],
      path: '/v1/plugin/example-plugin/hello',
      handle: ({ query }) => ({
        status: 200,
        body: query.some(({ name }) => name === 'json') ? { msg: 'world' } : 'world\n',
      }),
    },
  ],

  rewrite(ctx, { conf, source }) {
    ctx.log.warn(`plugin rewrite phase, conf: ${conf}`);
    ctx.log.warn(`conf_type: ${source.kind}`);
    ctx.log.warn(`conf_id: ${source.id}`);
    ctx.log.warn(`conf_version: ${source.modifiedIndex}`);
  },

  access(ctx, { conf, upstream }) {
    ctx.log.warn(`plugin access phase, conf: ${conf}`);
    if (upstream !== undefined) ctx.useUpstream(upstream);
  },

  headerFilter(ctx, { conf }) {
    ctx.log.warn(`plugin header_filter phase, conf: ${conf}`);
  },

  bodyFilter(ctx, { conf }, _chunk, last) {
    ctx.log.warn(`plugin body_filter phase, eof: ${last}, conf: ${conf}`);
  },

  delayedBodyFilter(ctx, { conf }, _chunk, last) {
    ctx.log.warn(`plugin delayed_body_filter phase, eof: ${last}, conf: ${conf}`);
  },

  log(ctx, { conf }) {
    ctx.log.warn(`plugin log phase, conf: ${conf}`);
  },
});

function nodeAt(host: string, port: number | undefined): UpstreamResource {
  const node = port === undefined ? { host, weight: 1 } : { host, port, weight: 1 };
  return { type: 'roundrobin', nodes: [node] };
}
