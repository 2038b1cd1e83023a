import Router from '@koa/router';
import type { Logger } from '@polygate/plugin-sdk';
import type { Middleware } from 'koa';
import { refusal } from '../answer.ts';
import type { ControlService } from '../control/control-service.ts';
import { readArguments } from '../listing.ts';
import { type AdminState, respond } from '../middleware/admin-state.ts';
import { listPlugins } from '../plugins/describe-plugins.ts';
import type { PluginSets } from '../plugins/plugin-sets.ts';
import { readConfigsBody, readJsonBody } from '../body/request-body.ts';
import { validateAgainstSchema } from '../schemas.ts';
import { validateConfigs } from '../validate-configs.ts';
import type { WriteRules } from '../writes/validate-write.ts';

export interface NamedRoutesOptions {
  readonly plugins: PluginSets;
  readonly control: ControlService;
  readonly log: Logger;
  readonly rules: WriteRules;
}

/** The paths that are no resource: uri_route of apisix/admin/init.lua, and Polygate's own. */
export function namedRoutes(options: NamedRoutesOptions): Middleware<AdminState> {
  const { plugins, control, log, rules } = options;
  const router = new Router<AdminState>({ prefix: '/apisix/admin' });

  router.get('/plugins/list', (ctx) =>
    respond(ctx, listPlugins(plugins.current, readArguments(ctx.query))),
  );
  router.put('/plugins/reload', async (ctx) => {
    try {
      const written = await plugins.reload();
      const headers = { 'Content-Type': 'text/plain' };
      respond(ctx, { status: 200, body: 'done', headers, written: [written] });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      log.error(`the plugins stay as they are, their reload failed: ${why}`);
      respond(ctx, refusal(503, `failed to reload the plugins: ${why}`));
    }
  });
  router.register('/plugins/reload', ['GET', 'POST', 'DELETE', 'PATCH'], (ctx) => {
    const why = `please use PUT method to reload the plugins, ${ctx.method} method is not allowed.`;
    respond(ctx, refusal(405, why));
  });
  router.post('/schema/validate/:kind', async (ctx) => {
    const body = await readJsonBody(ctx.req);
    const kind = String(ctx.params['kind']);
    respond(ctx, body.ok ? validateAgainstSchema(kind, body.value) : body.answer);
  });
  router.post('/configs/validate', async (ctx) => {
    const body = await readConfigsBody(ctx.req);
    respond(ctx, body.ok ? validateConfigs(body.value, plugins, rules) : body.answer);
  });
  router.get('/polygate/data-planes', (ctx) => {
    const list = control.list();
    respond(ctx, { status: 200, body: { total: list.length, list } });
  });

  return router.routes() as Middleware<AdminState>;
}
