import { contextKey } from '@polygate/plugin-sdk';
import type { RequestContext } from '@polygate/plugin-sdk';

/** Set while multi-auth tries its plugins: it logs their reasons only when none of them succeeds. */
export const HELD_REASON = contextKey<{ reason: string | undefined }>('reason for multi-auth');

/** Why an auth plugin refuses, in the log: the client does not learn more than its message says. */
export function noteReason(ctx: RequestContext, reason: string): void {
  const held = ctx.get(HELD_REASON);
  if (held === undefined) ctx.log.warn(reason);
  else held.reason = reason;
}

/** Goes on as `anonymous_consumer`. False, and a line in the log, when there is none of that name. */
export function attachAnonymousConsumer(
  ctx: RequestContext,
  plugin: string,
  username: string,
): boolean {
  const consumer = ctx.findConsumerByName(username);
  if (consumer === undefined) {
    const reason = `failed to get anonymous consumer ${username}`;
    ctx.log.error(`${plugin} failed to authenticate the request, code: 401. error: ${reason}`);
    return false;
  }
  ctx.attachConsumer(consumer);
  return true;
}
