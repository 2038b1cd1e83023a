import type { CompiledNode } from '../compiled-upstream.ts';
import { isOut } from './balancer.ts';
import type { BalancedRequest, NodeSet, Picker } from './balancer.ts';
import type { ReadHashKey } from './hash-key.ts';
import { computeHashRing, findPoint, hashKey } from './hash-points.ts';
import type { HashRing } from './hash-points.ts';

/**
 * Consistent hashing: `chash`. The ring has all nodes, also those that are ill, so that the keys of
 * the others stay where they are; keys of nodes that are out go to the next one on the ring. Nodes of
 * weight 0 are on no ring. The ring is computed when first asked: most upstreams of a large
 * configuration may never be used.
 */
export function createConsistentHash(nodes: readonly CompiledNode[], readKey: ReadHashKey): Picker {
  return new ConsistentHash(nodes, readKey);
}

class ConsistentHash implements Picker {
  readonly #nodes: readonly CompiledNode[];
  readonly #readKey: ReadHashKey;
  #ring: HashRing | undefined;

  constructor(nodes: readonly CompiledNode[], readKey: ReadHashKey) {
    this.#nodes = nodes;
    this.#readKey = readKey;
  }

  pick(request: BalancedRequest, tried: NodeSet, unhealthy: NodeSet): CompiledNode | undefined {
    const { hashes, owners } = (this.#ring ??= computeHashRing(this.#nodes));
    const { length } = hashes;
    if (length === 0) return undefined;
    let point = findPoint(hashes, hashKey(this.#readKey(request)));
    for (let steps = length; steps > 0; steps--) {
      const node = this.#nodes[owners[point] as number] as CompiledNode;
      if (!isOut(node, tried, unhealthy)) return node;
      point = point + 1 === length ? 0 : point + 1;
    }
    return undefined;
  }
}
