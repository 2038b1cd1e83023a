import type { CompiledNode } from '../compiled-upstream.ts';

/** Chooses among the nodes of one upstream. State is per worker. */
export interface Balancer {
  /** Undefined when every node was tried or weighs nothing. */
  pick(tried: ReadonlySet<CompiledNode>): CompiledNode | undefined;
}
