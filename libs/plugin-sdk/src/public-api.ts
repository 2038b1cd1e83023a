import type { LocalReply } from './local-reply.ts';
import type { RequestContext } from './request-context.ts';

/** An endpoint of a plugin's own. It is reached through a route with public-api, and in no other way. */
export interface PublicApi {
  readonly methods: readonly string[];
  /** The whole path. */
  readonly path: string;
  handle(ctx: RequestContext): LocalReply | Promise<LocalReply>;
}
