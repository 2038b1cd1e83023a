import type { CompiledNode } from '../compiled-upstream.ts';
import type { UpstreamHealth } from '../upstream-health.ts';
import type { BalancedRequest, Balancer, NodeSet, Picker } from './balancer.ts';

/** One algorithm for each priority, over what is healthy. */
export class PriorityBalancer implements Balancer {
  readonly #nodes: readonly CompiledNode[];
  readonly #pickers: readonly Picker[];
  /** By the priority of a node. */
  readonly #pickerOf: ReadonlyMap<number, Picker>;
  readonly #health: UpstreamHealth | undefined;
  #healthVersion = -1;
  /** Undefined where all are healthy, and where none is. */
  #unhealthy: NodeSet = undefined;

  constructor(
    nodes: readonly CompiledNode[],
    createPicker: (nodes: readonly CompiledNode[], priority: number) => Picker,
    health: UpstreamHealth | undefined,
  ) {
    const groups = Map.groupBy(withoutRepeats(nodes), ({ priority }) => priority);
    const descending = [...groups].sort(([a], [b]) => b - a);
    this.#nodes = nodes;
    this.#pickerOf = new Map(
      descending.map(([priority, group]) => [priority, createPicker(group, priority)]),
    );
    this.#pickers = [...this.#pickerOf.values()];
    this.#health = health;
  }

  pick(request: BalancedRequest, tried: NodeSet): CompiledNode | undefined {
    if (this.#health !== undefined) this.#lookAtHealth(this.#health);
    // A single node is there for every try.
    const out = this.#nodes.length === 1 ? undefined : tried;
    for (const picker of this.#pickers) {
      const node = picker.pick(request, out, this.#unhealthy);
      if (node !== undefined) return node;
    }
    return undefined;
  }

  release(node: CompiledNode, responseTimeMs: number | undefined): void {
    this.#pickerOf.get(node.priority)?.release?.(node, responseTimeMs);
  }

  #lookAtHealth(health: UpstreamHealth): void {
    if (health.version === this.#healthVersion) return;
    this.#healthVersion = health.version;
    const unhealthy = new Set(this.#nodes.filter((node) => !health.isHealthy(node)));
    const isAll = unhealthy.size === this.#nodes.length && unhealthy.size > 0;
    if (isAll) health.allUnhealthy();
    this.#unhealthy = unhealthy.size === 0 || isAll ? undefined : unhealthy;
  }
}

/** An address that is there twice in one priority is one node, with the weight it was given last. */
function withoutRepeats(nodes: readonly CompiledNode[]): Iterable<CompiledNode> {
  return new Map(nodes.map((node) => [`${node.priority} ${node.label}`, node])).values();
}

/** Has every try, whatever it weighs and however ill it is. */
export class SingleNode implements Balancer {
  readonly #node: CompiledNode;

  constructor(node: CompiledNode) {
    this.#node = node;
  }

  pick(): CompiledNode {
    return this.#node;
  }

  release(): void {
    // nothing is counted
  }
}
