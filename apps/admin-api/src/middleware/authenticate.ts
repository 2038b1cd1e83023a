import type { Logger } from '@polygate/plugin-sdk';
import type { KeyRing } from '../keys/admin-key.ts';
import { refusal } from '../answer.ts';
import { EXPLAIN_PATH } from '../explain/explain-routes.ts';
import type { FailedKeys } from '../keys/failed-keys.ts';
import { type AdminContext, type Next, respond } from './admin-state.ts';

/**
 * Asks for a key in `?api_key=`, `X-API-KEY` or the cookie `x_api_key`, in this order; viewers may
 * only GET, and ask for explanations. Without a ring everyone may do everything
 * (`admin_key_required: false`). An address with too many wrong keys is told to wait, whatever key it
 * has. Source: check_token in apisix/admin/init.lua.
 */
export function authenticate(ring: KeyRing | undefined, failedKeys: FailedKeys, log: Logger) {
  return async (ctx: AdminContext, next: Next): Promise<void> => {
    if (ring === undefined) {
      await next();
      return;
    }
    const address = ctx.req.socket.remoteAddress ?? '';
    const refuse = (description: string) => {
      log.warn(`failed to check token of ${address}: ${description}`);
      respond(ctx, { status: 401, body: { error_msg: 'failed to check token', description } });
    };
    const blockedMs = failedKeys.blockedMs(address);
    if (blockedMs > 0) {
      const answer = refusal(429, 'too many wrong keys from this address');
      const seconds = String(Math.ceil(blockedMs / 1000));
      return respond(ctx, { ...answer, headers: { 'Retry-After': seconds } });
    }
    const token = tokenOf(ctx);
    if (token === undefined) return refuse('missing apikey');
    const key = ring.find(token);
    if (key === undefined) {
      failedKeys.note(address);
      return refuse('wrong apikey');
    }
    if (key.role !== 'admin' && ctx.method !== 'GET' && !isQuestion(ctx)) {
      return refuse('invalid method for role viewer');
    }
    ctx.state.adminKey = key;
    await next();
  };
}

/** Has a body, and changes nothing. */
function isQuestion({ method, path }: AdminContext): boolean {
  return method === 'POST' && path === EXPLAIN_PATH;
}

function tokenOf(ctx: AdminContext): string | undefined {
  const argument = [ctx.query['api_key']].flat()[0];
  // nginx takes both spellings of a header for one, and clients of APISIX send the second, too
  const header = ctx.get('X-API-KEY') || ctx.get('x_api_key');
  return argument ?? (header || ctx.cookies.get('x_api_key'));
}
