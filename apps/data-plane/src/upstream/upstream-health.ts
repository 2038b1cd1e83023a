import type { CompiledNode } from './compiled-upstream.ts';

/** How a try that was followed by another one had ended. */
export type TryFailure = 'tcp' | 'timeout';

/** What the health checks of an upstream say of its nodes, in one worker thread. */
export interface UpstreamHealth {
  /** Another one after each change. */
  readonly version: number;
  /**
   * A request is about to use the upstream: checks begin with the first one. False while they have not
   * begun: what becomes of such a request counts for nothing, as in APISIX.
   */
  use(): boolean;
  isHealthy(node: CompiledNode): boolean;
  /** The request goes on to another node. */
  reportFailure(node: CompiledNode, failure: TryFailure): void;
  /** The client was answered so. */
  reportStatus(node: CompiledNode, status: number): void;
  /** None is healthy: all are used. */
  allUnhealthy(): void;
}
