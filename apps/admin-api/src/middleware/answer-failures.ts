import { StoreError } from '@polygate/config-store';
import type { Logger } from '@polygate/plugin-sdk';
import { refusal } from '../answer.ts';
import { type AdminContext, type Next, respond } from './admin-state.ts';

/** The client sees what it may know; the log sees the cause. */
export function answerFailures(log: Logger) {
  return async (ctx: AdminContext, next: Next): Promise<void> => {
    try {
      await next();
    } catch (error) {
      const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
      log.error(`${ctx.method} ${ctx.path} failed: ${cause}`);
      const isStoreFailure = error instanceof StoreError;
      respond(ctx, isStoreFailure ? refusal(503, error.message) : refusal(500, 'internal error'));
    }
  };
}
