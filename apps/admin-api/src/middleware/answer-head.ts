import { type AdminContext, type Next, respond } from './admin-state.ts';

/** `HEAD /apisix/admin` tells, without a key, that the Admin API is there. */
export async function answerHead(ctx: AdminContext, next: Next): Promise<void> {
  if (ctx.method === 'HEAD' && ctx.path === '/apisix/admin') respond(ctx, { status: 200 });
  else await next();
}
