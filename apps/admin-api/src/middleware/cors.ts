import type { AdminContext, Next } from './admin-state.ts';

/** `enable_admin_cors`: cors_admin of apisix/init.lua. The key protects, not the origin. */
export function cors(enabled: boolean) {
  return async (ctx: AdminContext, next: Next): Promise<void> => {
    if (!enabled) {
      await next();
      return;
    }
    ctx.set({
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Credentials': 'true',
      'Access-Control-Max-Age': '3600',
    });
    if (ctx.method === 'OPTIONS') {
      ctx.set({
        'Access-Control-Allow-Methods': 'POST, GET, PUT, OPTIONS, DELETE, PATCH',
        'Access-Control-Allow-Headers': '*',
        'Content-Type': 'text/plain',
      });
      ctx.body = '';
      ctx.status = 200;
      return;
    }
    ctx.set('Access-Control-Expose-Headers', '*');
    await next();
  };
}
