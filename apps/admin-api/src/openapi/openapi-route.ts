import Router from '@koa/router';
import type { Middleware } from 'koa';
import { refusal } from '../answer.ts';
import { readArguments } from '../listing.ts';
import { type AdminState, respond } from '../middleware/admin-state.ts';
import type { PluginSet } from '../plugins/plugin-set.ts';
import type { PluginSets } from '../plugins/plugin-sets.ts';
import { openApiDocument, type OpenApiOptions } from './openapi-document.ts';

/** `GET /apisix/admin/polygate/openapi.json[?plugins=false]`, made once for each set of plugins. */
export function openApiRoute(
  plugins: PluginSets,
  options: Omit<OpenApiOptions, 'plugins'>,
): Middleware<AdminState> {
  const router = new Router<AdminState>({ prefix: '/apisix/admin' });
  const withPlugins = new WeakMap<PluginSet, string>();
  let without: string | undefined;
  router.get('/polygate/openapi.json', (ctx) => {
    const { plugins: wanted = 'true' } = readArguments(ctx.query);
    if (wanted !== 'true' && wanted !== 'false') {
      return respond(ctx, refusal(400, 'invalid argument plugins: should be true or false'));
    }
    const { current } = plugins;
    let text = wanted === 'true' ? withPlugins.get(current) : without;
    if (text === undefined) {
      const set = wanted === 'true' ? current : undefined;
      text = `${JSON.stringify(openApiDocument({ ...options, plugins: set }))}\n`;
      if (set === undefined) without = text;
      else withPlugins.set(set, text);
    }
    respond(ctx, { status: 200, body: text });
  });
  return router.routes() as Middleware<AdminState>;
}
