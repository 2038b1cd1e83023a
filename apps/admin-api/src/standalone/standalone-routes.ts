import type { IncomingMessage } from 'node:http';
import Router from '@koa/router';
import type { Middleware } from 'koa';
import { type Answer, refusal } from '../answer.ts';
import { isJsonObject } from '../json-object.ts';
import { type AdminState, respond } from '../middleware/admin-state.ts';
import type { PluginSets } from '../plugins/plugin-sets.ts';
import { readConfigsBody } from '../body/request-body.ts';
import { type StandaloneConfigs, withoutIndexes } from './standalone-configs.ts';
import { validateConfigs } from '../validate-configs.ts';
import type { WriteRules } from '../writes/validate-write.ts';

export interface StandaloneRoutesOptions {
  readonly configs: StandaloneConfigs;
  readonly plugins: PluginSets;
  readonly rules: WriteRules;
}

/** All that the Admin API has in standalone mode: standalone_uri_route of apisix/admin/init.lua. */
export function standaloneRoutes(options: StandaloneRoutesOptions): Middleware<AdminState> {
  const { configs, plugins, rules } = options;
  const router = new Router<AdminState>({ prefix: '/apisix/admin' });
  // before GET, which would answer HEAD too
  router.head('/configs', (ctx) => respond(ctx, configs.head()));
  router.get('/configs', (ctx) => respond(ctx, configs.get(ctx.get('Accept'))));
  router.put('/configs', async (ctx) => {
    const digest = ctx.get('X-Digest');
    const answer =
      digest === '' ? refusal(400, 'missing digest header') : await put(ctx.req, configs, digest);
    respond(ctx, answer);
  });
  router.post('/configs/validate', async (ctx) => {
    const body = await readConfigsBody(ctx.req);
    respond(ctx, body.ok ? validateConfigs(plain(body.value), plugins, rules) : body.answer);
  });
  return router.routes() as Middleware<AdminState>;
}

function plain(document: unknown): unknown {
  if (!isJsonObject(document)) return document;
  const entries = Object.entries(document);
  return Object.fromEntries(entries.map(([kind, items]) => [kind, withoutIndexes(items)]));
}

/** As the standalone file may have. */
const DOCUMENT_BYTES_MAX = 64 * 1024 * 1024;

async function put(
  request: IncomingMessage,
  configs: StandaloneConfigs,
  digest: string,
): Promise<Answer> {
  const body = await readConfigsBody(request, DOCUMENT_BYTES_MAX);
  if (!body.ok) return body.answer;
  if (body.value === undefined) return refusal(400, 'invalid request body: empty request body');
  // Lua has one empty table
  const isEmptyList = Array.isArray(body.value) && body.value.length === 0;
  const document: unknown = isEmptyList ? {} : body.value;
  if (!isJsonObject(document)) return refusal(400, 'invalid request body: expected an object');
  return configs.put(document, digest);
}
