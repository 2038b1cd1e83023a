import type { AdminKey } from '@polygate/chassis';
import type { ParameterizedContext } from 'koa';
import type { Answer } from '../answer.ts';
import { asProblem } from './problem-details.ts';

/** What middleware leaves for those behind it. */
export interface AdminState {
  /** Who asks; undefined where no key is required. */
  adminKey?: AdminKey;
  /** What the request has changed. */
  written?: Answer['written'];
}

export type AdminContext = ParameterizedContext<AdminState>;
export type Next = () => Promise<unknown>;

/**
 * Writes as core.response.exit does: objects as JSON with a newline, strings as they stand. Clients
 * that ask for it get errors as RFC 9457 has them.
 */
export function respond(ctx: AdminContext, answer: Answer): void {
  const { status, body, headers, written } = asProblem(ctx.get('Accept'), answer);
  if (written !== undefined) ctx.state.written = written;
  const isText = status >= 400 && typeof body === 'string' && body !== '';
  ctx.set({ 'Content-Type': isText ? 'text/plain' : 'application/json', ...headers });
  ctx.body = typeof body === 'object' ? `${JSON.stringify(body)}\n` : (body ?? '');
  ctx.status = status;
}
