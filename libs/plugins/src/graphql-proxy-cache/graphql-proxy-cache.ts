import { createHash } from 'node:crypto';
import { contextKey, definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { OperationTypeNode } from 'graphql';
import { executable, GraphqlSyntaxError, parseGraphql } from '../graphql-document.ts';
import { invalid, parseGraphqlBody, readGraphqlBody } from '../graphql-request.ts';
import type { GraphqlProblem } from '../graphql-request.ts';
import { counterPrefix } from '../limit-key.ts';
import { STATUS_HEADER, type CacheStrategy } from '../proxy-cache/cache-strategy.ts';
import { createStrategy } from '../proxy-cache/create-strategy.ts';
import { purgeApi } from './purge-api.ts';
import { definition, type GraphqlProxyCacheConf } from './graphql-proxy-cache.schema.ts';

interface Prepared {
  readonly strategy: CacheStrategy;
  readonly isIsolated: boolean;
  /** What the keys of this conf are made with. */
  readonly confName: string;
  readonly bodyBytesMax: number;
}

/** Requests that the cache has to do with. */
const CACHED = contextKey<true>('graphql-proxy-cache');
const BODY_BYTES_MAX = 67_108_864;

/** Keeps answers to queries. Source: apisix/plugins/graphql-proxy-cache.lua. */
export default definePlugin<GraphqlProxyCacheConf, Prepared>(definition, {
  prepare: (conf, env) => ({
    strategy: strategyFor(conf, env),
    isIsolated: conf.consumer_isolation,
    confName: counterPrefix(conf, env.source),
    bodyBytesMax: env.settings.graphqlBytesMax,
  }),

  runsIn: (phase, { strategy }) =>
    phase === 'access' || phase === 'headerFilter' || phase in strategy,
  dispose: ({ strategy }) => strategy.close?.(),
  publicApis: (_attr, sources) => [purgeApi(sources)],

  async access(ctx, prepared) {
    const { method } = ctx.request;
    if (method !== 'POST' && method !== 'GET') return { status: 405 };
    const text = await queryText(ctx, prepared.bodyBytesMax);
    if ('reason' in text) return refusal(ctx, text);
    const isMutating = hasMutation(text.query);
    if (typeof isMutating === 'object') return refusal(ctx, isMutating);
    const { early } = ctx.response;
    if (isMutating) {
      early.set(STATUS_HEADER, 'BYPASS');
      return undefined;
    }
    const key = keyOf(ctx, prepared, text.whole);
    ctx.vars.set('upstream_cache_key', key);
    ctx.set(CACHED, true);
    early.set('APISIX-Cache-Key', key);
    return prepared.strategy.access(ctx);
  },

  beforeProxy: (ctx, { strategy }) => (isCached(ctx) ? strategy.beforeProxy?.(ctx) : undefined),
  headerFilter: (ctx, { strategy }) => {
    if (isCached(ctx)) strategy.headerFilter(ctx);
  },
  bodyFilter(ctx, { strategy }, chunk, last) {
    if (isCached(ctx)) strategy.bodyFilter?.(ctx, chunk, last);
    return chunk;
  },
  log: (ctx, { strategy }) => {
    if (isCached(ctx)) strategy.log?.(ctx);
  },
});

function isCached(ctx: RequestContext): boolean {
  return ctx.get(CACHED) === true;
}

function strategyFor(conf: GraphqlProxyCacheConf, env: PluginEnvironment): CacheStrategy {
  return createStrategy(
    {
      ...conf,
      max_resp_body_size: BODY_BYTES_MAX,
      cache_key: ['$upstream_cache_key'],
      // who asks is in the key already
      consumer_isolation: false,
      cache_method: ['GET', 'POST'],
      cache_http_status: [200],
      hide_cache_headers: false,
      cache_control: false,
    },
    env,
  );
}

function refusal({ log }: RequestContext, { message, reason }: GraphqlProblem): LocalReply {
  log.error(reason);
  return { status: 400, body: { message } };
}

interface QueryText {
  readonly query: unknown;
  /** All that answers depend on: the arguments of a GET, the body of a POST. */
  readonly whole: string;
}

async function queryText(
  { request }: RequestContext,
  bytesMax: number,
): Promise<QueryText | GraphqlProblem> {
  if (request.method === 'GET')
    return argumentsText(request.query, request.getArguments(), bytesMax);
  const body = await readGraphqlBody(request, bytesMax);
  if (!Buffer.isBuffer(body)) return body;
  const read = parseGraphqlBody(request.headers.get('content-type'), body);
  if ('reason' in read) return read;
  if (read.query === null) return invalid('json body[query] is nil');
  return { query: read.query, whole: body.toString('latin1') };
}

function argumentsText(
  whole: string,
  args: ReturnType<RequestContext['request']['getArguments']>,
  bytesMax: number,
): QueryText | GraphqlProblem {
  const bytes = Buffer.byteLength(whole);
  if (bytes === 0 || bytes > bytesMax) {
    const limit = `args size ${bytes} is greater than the maximum size ${bytesMax} allowed`;
    const why = bytes === 0 ? 'args has zero size' : limit;
    return {
      message: "Invalid graphql request: can't get graphql request body",
      reason: `failed to read graphql data, ${why}`,
    };
  }
  const query = args.find(({ name }) => name === 'query');
  return query === undefined ? invalid('args[query] is nil') : { query: query.value, whole };
}

function hasMutation(query: unknown): boolean | GraphqlProblem {
  try {
    if (typeof query !== 'string') throw new GraphqlSyntaxError('it is no text');
    const definitions = parseGraphql(query);
    if (definitions.length > 0) {
      return executable(definitions).operations.some(
        ({ operation }) => operation === OperationTypeNode.MUTATION,
      );
    }
    return {
      message: 'Invalid graphql request: empty graphql query',
      reason: 'failed to parse graphql: empty query',
    };
  } catch (error) {
    if (!(error instanceof GraphqlSyntaxError)) throw error;
    return {
      message: 'Invalid graphql request: failed to parse graphql query',
      reason: `failed to parse graphql: ${error.message}`,
    };
  }
}

/** Apart by conf, host, route, service and, where the conf says so, by who asks. */
function keyOf(ctx: RequestContext, { confName, isIsolated }: Prepared, whole: string): string {
  const { request, route, consumer, vars } = ctx;
  const name = consumer?.username ?? '';
  const identity = name === '' ? (vars.get('remote_user') ?? '') : name;
  const parts = [
    confName,
    request.host,
    route?.id ?? '',
    route?.serviceId ?? '',
    isIsolated ? identity : '',
    whole,
  ];
  return createHash('md5').update(parts.join('\x01')).digest('hex');
}
