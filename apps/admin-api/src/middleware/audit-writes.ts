import type { Logger } from '@polygate/plugin-sdk';
import type { AdminContext, Next } from './admin-state.ts';

/** One line for each write that took place. Never the query: it may hold the key. */
export function auditWrites(log: Logger) {
  return async (ctx: AdminContext, next: Next): Promise<void> => {
    await next();
    const { written, adminKey } = ctx.state;
    if (written === undefined) return;
    const who = adminKey?.name ?? 'anyone';
    const at = written.revision === undefined ? '' : ` at revision ${written.revision}`;
    log.info(`audit: ${who} did ${ctx.method} ${written.key}${at}`);
  };
}
