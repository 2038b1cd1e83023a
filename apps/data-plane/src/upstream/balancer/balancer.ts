import type { CompiledNode } from '../compiled-upstream.ts';

/** What balancers look at in a request; `GatewayContext` is one. */
export interface BalancedRequest {
  readonly vars: { get(name: string): string | undefined };
  readonly consumer: { readonly username: string } | undefined;
}

/** Nodes that are not to be picked, or undefined: none such. */
export type NodeSet = ReadonlySet<CompiledNode> | undefined;

/** Chooses among the nodes of one upstream. Each pick is to be released exactly once. */
export interface Balancer {
  /**
   * `tried`: the nodes that failed this request, undefined at its first try. Undefined when every
   * node was tried or none may be used.
   */
  pick(request: BalancedRequest, tried: NodeSet): CompiledNode | undefined;
  /**
   * The request is done with the node: after its last byte, or before its next try. `responseTimeMs`
   * is that of the try which ended the request, undefined for a try that was given up.
   */
  release(node: CompiledNode, responseTimeMs: number | undefined): void;
}

/** One algorithm, over nodes of one priority. Both sets are respected. */
export interface Picker {
  pick(request: BalancedRequest, tried: NodeSet, unhealthy: NodeSet): CompiledNode | undefined;
  release?(node: CompiledNode, responseTimeMs: number | undefined): void;
}

/** The nodes that may be picked, for pickers that look at each. */
export function isOut(node: CompiledNode, tried: NodeSet, unhealthy: NodeSet): boolean {
  return tried?.has(node) === true || unhealthy?.has(node) === true;
}
