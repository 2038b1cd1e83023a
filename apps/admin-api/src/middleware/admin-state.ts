import type { AdminKey } from '@polygate/chassis';
import type { ParameterizedContext } from 'koa';
import type { Answer } from '../answer.ts';

/** What middleware leaves for those behind it. */
export interface AdminState {
  /** Who asks; undefined where no key is required. */
  adminKey?: AdminKey;
  /** What the request has changed. */
  written?: Answer['written'];
}

export type AdminContext = ParameterizedContext<AdminState>;
export type Next = () => Promise<unknown>;

/** Writes as core.response.exit does: objects as JSON with a newline, strings as they stand. */
export function respond(ctx: AdminContext, { status, body, headers, written }: Answer): void {
  if (written !== undefined) ctx.state.written = written;
  ctx.set({ 'Content-Type': 'application/json', ...headers });
  ctx.body = typeof body === 'object' ? `${JSON.stringify(body)}\n` : (body ?? '');
  ctx.status = status;
}
