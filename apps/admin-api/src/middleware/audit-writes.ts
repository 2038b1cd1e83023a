import type { Logger } from '@polygate/plugin-sdk';
import type { Written } from '../answer.ts';
import type { AdminContext, Next } from './admin-state.ts';

/**
 * One line for each object that a request has changed: who, how, and its revisions before and after.
 * Never the query: it may hold the key.
 */
export function auditWrites(log: Logger) {
  return async (ctx: AdminContext, next: Next): Promise<void> => {
    await next();
    const { written = [], adminKey } = ctx.state;
    const who = adminKey?.name ?? 'anyone';
    for (const change of written) {
      // a transaction's path says nothing of the objects
      const via = ctx.path.startsWith('/apisix/admin/polygate/') ? ` by ${ctx.path}` : '';
      log.info(`audit: ${who} did ${ctx.method} ${change.key}${via}, ${revisionsOf(change)}`);
    }
  };
}

function revisionsOf({ revision, previousRevision }: Written): string {
  const before = previousRevision === undefined ? 'unknown' : previousRevision || 'none';
  return `revision ${before} -> ${revision}`;
}
