import { contextKey, definePlugin } from '@polygate/plugin-sdk';
import type { ContextKey, RequestContext } from '@polygate/plugin-sdk';
import { MirrorClient, type MirroredRequest, type MirrorTimeouts } from './mirror-client.ts';
import { definition, type ProxyMirrorConf } from './proxy-mirror.schema.ts';

/** One request that is to be mirrored, or is. */
interface Progress {
  readonly target: string;
  mirrored: MirroredRequest | undefined;
  isSent: boolean;
}

interface Prepared {
  readonly conf: ProxyMirrorConf;
  readonly isGrpc: boolean;
  readonly client: MirrorClient;
  readonly progress: ContextKey<Progress>;
}

/** Sends copies of requests to another host, and takes no notice of what becomes of them. */
export default definePlugin<ProxyMirrorConf, Prepared>(definition, {
  prepare: (conf, { attr, log }) => ({
    conf,
    isGrpc: conf.host.startsWith('grpc'),
    client: new MirrorClient(conf.host, timeoutsOf(attr), log),
    progress: contextKey('proxy-mirror'),
  }),

  dispose: ({ client }) => client.close(),

  rewrite(ctx, { conf, progress }) {
    const isChosen = conf.sample_ratio === 1 || Math.random() < conf.sample_ratio;
    if (!isChosen) return;
    ctx.set(progress, { target: targetOf(ctx, conf), mirrored: undefined, isSent: false });
  },

  beforeProxy(ctx, { isGrpc, client, progress: key }) {
    const progress = ctx.get(key);
    // the next node is tried: there is one copy, not one a try
    if (progress === undefined || progress.isSent) return;
    progress.isSent = true;
    const { request } = ctx;
    const mirrored = client.send(
      {
        method: request.method,
        // what plugins made of a path of gRPC is the method that is called
        target: isGrpc ? (request.upstreamPath ?? request.path) : progress.target,
        host: ctx.vars.get('upstream_host') ?? request.host,
        headers: request.headers,
        hasBody: request.hasBody,
      },
      isGrpc,
    );
    if (mirrored === undefined) return;
    progress.mirrored = mirrored;
    if (request.hasBody) request.observeBody(mirrored);
  },

  log: (ctx, { progress }) => ctx.get(progress)?.mirrored?.stop(),
});

/** Where the request stands when this plugin runs: what comes behind it changes nothing. */
function targetOf({ request }: RequestContext, conf: ProxyMirrorConf): string {
  const query = request.query === '' ? '' : `?${request.query}`;
  const { path, path_concat_mode: mode } = conf;
  if (path !== undefined && mode === 'replace') return path + query;
  const own = request.rawTarget.startsWith('/') ? request.rawTarget.split('?', 1)[0] : request.path;
  const uri = (request.upstreamPath ?? own ?? '/') + query;
  return path === undefined ? uri : path + uri;
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const DEFAULT_TIMEOUT_MS = 60_000;

/** `plugin_attr.proxy-mirror.timeout`: times as nginx writes them. */
function timeoutsOf({ timeout }: Readonly<Record<string, unknown>>): MirrorTimeouts {
  const given = typeof timeout === 'object' && timeout !== null ? timeout : {};
  const read = (name: string): number =>
    timeMs((given as Readonly<Record<string, unknown>>)[name]) ?? DEFAULT_TIMEOUT_MS;
  return { connectMs: read('connect'), sendMs: read('send'), readMs: read('read') };
}

function timeMs(value: unknown): number | undefined {
  if (typeof value === 'number') return value * 1000;
  const [, number, unit = 's'] = /^(\d+)(ms|s|m|h)?$/.exec(String(value)) ?? [];
  return number === undefined ? undefined : Number(number) * (UNITS_MS[unit] ?? 1000);
}
