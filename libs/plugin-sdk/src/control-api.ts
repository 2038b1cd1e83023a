import type { LocalReply } from './local-reply.ts';
import type { QueryArgument } from './request-context.ts';

/** What a request to the Control API is to a plugin's endpoint. Bodies are not read. */
export interface ControlApiRequest {
  readonly method: string;
  /** Decoded and normalised, without query. */
  readonly path: string;
  readonly query: readonly QueryArgument[];
}

/**
 * An endpoint of a plugin's own in the Control API, while the plugin is enabled. It runs in the main
 * thread of the data plane, which runs no requests: what the workers know it does not.
 */
export interface ControlApiEndpoint {
  readonly methods: readonly string[];
  /** The whole path; by APISIX's custom below `/v1/plugin/<name>/`. */
  readonly path: string;
  handle(request: ControlApiRequest): LocalReply | Promise<LocalReply>;
}
