import type { PluginSets } from '../plugins/plugin-sets.ts';
import { type Answer, refusal } from '../answer.ts';
import { type Arguments, readArguments } from '../listing.ts';
import { type AdminContext, type Next, respond } from '../middleware/admin-state.ts';
import { describePlugins } from '../plugins/describe-plugins.ts';
import { readJsonBody } from '../body/request-body.ts';
import type { ResourceHandler } from '../resource-handler.ts';
import type { ResourceMethod } from '../resources/resource.ts';
import { findResource } from '../resources/resources.ts';
import { describeSchema } from '../schemas.ts';
import { readResourcePath } from './resource-path.ts';

export interface DispatchOptions {
  readonly handler: ResourceHandler;
  readonly plugins: PluginSets;
  readonly apiVersion: 'v3' | 'v2';
  /** Whether `apisix.proxy_mode` has streams in it. */
  readonly hasStreamMode: boolean;
}

const METHODS: readonly string[] = ['GET', 'PUT', 'POST', 'PATCH', 'DELETE'];

/**
 * `/apisix/admin/<resource>…`, with `schema` and `plugins` as resources that can
 * only be read. The order of the refusals is that of run() in apisix/admin/init.lua.
 */
export function dispatchResources(options: DispatchOptions) {
  const { handler, plugins, apiVersion, hasStreamMode } = options;
  return async (ctx: AdminContext, next: Next): Promise<void> => {
    const path = segmentsOf(ctx.path);
    if (path === undefined || !METHODS.includes(ctx.method)) {
      await next();
      return;
    }
    const method = ctx.method as ResourceMethod;
    const args = readArguments(ctx.query);
    if (path[0] === 'schema' || path[0] === 'plugins') {
      if (method === 'GET') ctx.set('X-API-VERSION', apiVersion);
      respond(ctx, method === 'GET' ? read(path, plugins, args) : refusal(404, 'not found'));
      return;
    }

    const address = readResourcePath(path);
    if (address.kind === 'stream_routes' && !hasStreamMode) {
      respond(ctx, refusal(400, 'stream mode is disabled, can not add stream routes'));
      return;
    }
    if (path[0] === 'graphql_cost_decorations') {
      respond(ctx, refusal(400, 'missing service id'));
      return;
    }
    const resource = path[0] === 'credentials' ? undefined : findResource(address.kind);
    if (resource === undefined) {
      respond(ctx, refusal(404, `Unsupported resource type: ${address.kind}`));
      return;
    }
    const body = await readJsonBody(ctx.req);
    if (!body.ok) {
      respond(ctx, body.answer);
      return;
    }
    const answer = await handler.handle({ ...address, method, resource, body: body.value, args });
    ctx.set('X-API-VERSION', apiVersion);
    respond(ctx, answer);
  };
}

function read(path: readonly string[], plugins: PluginSets, args: Arguments): Answer {
  const [first, second, third] = path;
  if (first === 'plugins') return describePlugins(plugins, second, args);
  if (second === 'plugins') return describePlugins(plugins, third, args);
  return describeSchema(second ?? '');
}

/** What follows `/apisix/admin`; undefined for other paths, and where nothing follows. */
function segmentsOf(path: string): string[] | undefined {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    // no UTF-8: names nothing
    return undefined;
  }
  // nginx merges slashes, and a slash at the end says nothing
  const [root, admin, ...rest] = decoded.split('/').filter((segment) => segment !== '');
  return root === 'apisix' && admin === 'admin' && rest.length > 0 ? rest : undefined;
}
