import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { executable, GraphqlSyntaxError, parseGraphql } from '../graphql-document.ts';
import type { ExecutableDocument } from '../graphql-document.ts';
import { parseGraphqlBody, readGraphqlBody } from '../graphql-request.ts';
import type { GraphqlProblem, GraphqlRequest } from '../graphql-request.ts';
import { prepareRateLimit, rateLimit, type RateLimit } from '../limit-count/rate-limit.ts';
import { indexDecorations, type DecorationIndex } from './decoration-index.ts';
import { definition, type GraphqlLimitCountConf } from './graphql-limit-count.schema.ts';
import { Introspection } from './introspection.ts';
import { ExpansionError, queryCost } from './query-cost.ts';
import { queryDepth } from './query-depth.ts';

interface Prepared {
  readonly conf: GraphqlLimitCountConf;
  readonly limits: RateLimit;
  readonly introspection: Introspection;
  readonly decorationsOf: PluginEnvironment['costDecorationsOf'];
  readonly bodyBytesMax: number;
}

/** Added to what is not counted by depth, so that every such cost is rounded up, as in APISIX. */
const COST_MARGIN = 0.01;
/**
 * Beyond any quota. Redis takes no larger numbers as JavaScript writes them, nor their sum: a counter that
 * cannot count any more would let everybody in where `allow_degradation` is on.
 */
const COST_MAX = 1e12;

/** Counts GraphQL requests as many as their queries cost. */
export default definePlugin<GraphqlLimitCountConf, Prepared>(definition, {
  prepare: (conf, env) => ({
    conf,
    limits: prepareRateLimit(definition.name, conf, env),
    introspection: new Introspection(conf, env),
    decorationsOf: env.costDecorationsOf,
    bodyBytesMax: env.settings.graphqlBytesMax,
  }),

  dispose({ limits, introspection }) {
    limits.release();
    introspection.close();
  },

  async access(ctx, prepared) {
    const { request } = ctx;
    if (request.method !== 'POST') return { status: 405 };
    const body = await readGraphqlBody(request, prepared.bodyBytesMax);
    if (!Buffer.isBuffer(body)) return refusal(ctx, body);
    const read = parseGraphqlBody(request.headers.get('content-type'), body);
    if ('reason' in read) return refusal(ctx, read);
    const document = readDocument(read);
    if ('reason' in document) return refusal(ctx, document);
    const cost = await costOf(ctx, prepared, document, read.variables);
    return typeof cost === 'number' ? charge(ctx, prepared, cost) : refusal(ctx, cost);
  },
});

function refusal({ log }: RequestContext, { message, reason }: GraphqlProblem): LocalReply {
  log.error(reason);
  return { status: 400, body: { message } };
}

/** The operations that may be run: the one that is named, or all of them. */
function readDocument({
  query,
  operationName,
}: GraphqlRequest): ExecutableDocument | GraphqlProblem {
  let document: ExecutableDocument;
  try {
    if (typeof query !== 'string') throw new GraphqlSyntaxError('it is no text');
    document = executable(parseGraphql(query));
  } catch (error) {
    if (!(error instanceof GraphqlSyntaxError)) throw error;
    return {
      message: 'Invalid graphql request: failed to parse graphql query',
      reason: `failed to parse graphql: ${error.message}`,
    };
  }
  const { operations } = document;
  if (operations.length === 0) {
    return {
      message: 'Invalid graphql request: empty graphql query',
      reason: 'failed to parse graphql: empty query',
    };
  }
  const named = operations.find(({ name }) => name !== undefined && name.value === operationName);
  return named === undefined ? document : { ...document, operations: [named] };
}

async function costOf(
  ctx: RequestContext,
  prepared: Prepared,
  document: ExecutableDocument,
  variables: GraphqlRequest['variables'],
): Promise<number | GraphqlProblem> {
  const { score_factor: factor, cost_strategy: strategy } = prepared.conf;
  const raw = await rawCostOf(ctx, prepared, document, variables);
  if (typeof raw !== 'number') return raw;
  const cost = strategy === 'depth' ? raw : raw + COST_MARGIN;
  const scaled = Math.ceil(cost * factor);
  // infinitely many of something that costs nothing are no number
  return Number.isNaN(scaled) ? COST_MAX : Math.min(Math.max(scaled, 1), COST_MAX);
}

const CIRCULAR: GraphqlProblem = {
  message: 'Invalid graphql request: fragment spreads must not form cycles',
  reason: 'invalid graphql request: fragment spreads form a cycle',
};

async function rawCostOf(
  ctx: RequestContext,
  { conf, introspection, decorationsOf }: Prepared,
  document: ExecutableDocument,
  variables: GraphqlRequest['variables'] = {},
): Promise<number | GraphqlProblem> {
  const { cost_strategy: strategy, resolve_variables: resolves } = conf;
  const serviceId = ctx.route?.serviceId;
  const decorations = serviceId === undefined ? [] : decorationsOf(serviceId);
  try {
    if (strategy === 'depth') return queryDepth(document) ?? CIRCULAR;
    const isWeighed = serviceId !== undefined && decorations.length > 0;
    return queryCost(document, {
      strategy,
      decorations: indexOf(decorations),
      schema: isWeighed ? await introspection.schemaOf(serviceId, ctx) : undefined,
      variables: resolves ? variables : undefined,
    });
  } catch (error) {
    const isExpanding = error instanceof ExpansionError || error instanceof RangeError;
    return {
      message: isExpanding
        ? 'Invalid graphql request: the query expands too many selections'
        : 'Invalid graphql request: failed to introspect the upstream graphql schema',
      reason: `failed to compute the graphql query cost: ${(error as Error).message}`,
    };
  }
}

/** A list of decorations stays the same object until one of them changes. */
const indexes = new WeakMap<object, DecorationIndex>();

function indexOf(decorations: ReturnType<Prepared['decorationsOf']>): DecorationIndex {
  const known = indexes.get(decorations);
  if (known !== undefined) return known;
  const index = indexDecorations(decorations);
  indexes.set(decorations, index);
  return index;
}

/** The quota is charged even for what is refused for its cost. */
async function charge(
  ctx: RequestContext,
  { conf, limits }: Prepared,
  cost: number,
): Promise<LocalReply | undefined> {
  if (conf.show_limit_quota_header) {
    ctx.response.early.set('X-Graphql-Query-Cost', String(cost));
  }
  const reply = await rateLimit(ctx, limits, cost);
  // whoever counts could not be asked
  if (reply?.status === 500 && conf.rejected_code !== 500) return reply;
  const { max_cost: costMax } = conf;
  if (costMax <= 0 || cost <= costMax) return reply;
  const message = `Invalid graphql request: query cost ${cost} exceeds max_cost ${costMax}`;
  return { status: 403, body: { message } };
}
