import type { LocalReply } from './local-reply.ts';
import type { RequestContext } from './request-context.ts';

/** A plugin conf for a runner: name and opaque value. */
export interface ExternalPluginConf {
  readonly name: string;
  readonly value: string;
}

/** Names one conf: "<conf type>#<conf id>#<plugin name>#<conf version>". */
export interface ExternalConf {
  readonly key: string;
  readonly plugins: readonly ExternalPluginConf[];
}

/** The way to plugins in other processes, through the runner manager. */
export interface ExternalPlugins {
  /**
   * Has the runner look at the request. Applies what it rewrites to `ctx`; resolves to a reply when
   * it stops the request. Rejects with a GatewayError RUNNER_….
   */
  handleRequest(ctx: RequestContext, conf: ExternalConf): Promise<LocalReply | undefined>;
}
