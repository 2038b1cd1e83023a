import type { LocalReply } from './local-reply.ts';
import type { RequestContext } from './request-context.ts';

/** A plugin conf for a runner: name and opaque value. */
export interface ExternalPluginConf {
  readonly name: string;
  readonly value: string;
  /** The runner that has the plugin; undefined: as the gateway's configuration says. */
  readonly runner?: string | undefined;
}

/** After `failures` within `windowMs` calls fail at once for `openMs`; then one call tries. */
export interface BreakerPolicy {
  readonly failures: number;
  readonly windowMs: number;
  readonly openMs: number;
}

/** How far calls of one conf may go; what is undefined is the gateway's to say. */
export interface ExternalCallPolicy {
  readonly timeoutMs?: number | undefined;
  /** Further instances that may be tried while no byte of an answer has come. */
  readonly retries?: number | undefined;
  /** Calls under way at one time, in one worker. */
  readonly inFlightMax?: number | undefined;
  readonly breaker?: BreakerPolicy | undefined;
  /** Of a request body that a runner asks for: 413 past that. */
  readonly requestBodyBytesMax?: number | undefined;
  /** Of a response body that a runner asks for: 502 past that. */
  readonly responseBodyBytesMax?: number | undefined;
}

export interface ExternalConf {
  /** Names the conf: `<conf type>#<conf id>#<plugin name>#<conf version>`. */
  readonly key: string;
  /** The same in all versions of it: breakers and limits outlive a change of the conf. */
  readonly owner: string;
  /** In order of execution. */
  readonly plugins: readonly ExternalPluginConf[];
  readonly policy: ExternalCallPolicy;
}

/** One conf, known to the runners that its plugins live in. */
export interface ExternalCalls {
  /**
   * Has the runners look at the request, one after another. Applies what they rewrite to `ctx`;
   * resolves to a reply when one stops the request. Rejects with a GatewayError RUNNER_…, or with that
   * of a body that is too large.
   */
  handleRequest(ctx: RequestContext): Promise<LocalReply | undefined>;
  /**
   * In `beforeProxy` of a plugin that calls `handleResponse`: a runner may then ask for the request
   * body, which is gone by that time unless it is kept.
   */
  keepRequestBody(ctx: RequestContext): void;
  /**
   * In the `response` phase: has the runners look at an upstream's answer, and changes status, headers
   * and body of `ctx.response` as they say. Rejects as `handleRequest` does.
   */
  handleResponse(ctx: RequestContext): Promise<void>;
  /** The conf is gone: runners may forget it. */
  release(): void;
}

/** The way to plugins in other processes, through the runner managers. */
export interface ExternalPlugins {
  /** Once per conf, when it is prepared: runners get it ahead of the first call. */
  prepare(conf: ExternalConf): ExternalCalls;
}
