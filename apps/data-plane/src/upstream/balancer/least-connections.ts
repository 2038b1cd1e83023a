import type { CompiledNode } from '../compiled-upstream.ts';
import { isOut } from './balancer.ts';
import type { BalancedRequest, NodeSet, Picker } from './balancer.ts';
import { ClaimedLoads } from './claimed-loads.ts';
import type { NodeLoads } from './node-loads.ts';

/**
 * The node with the fewest requests in flight for its weight: `least_conn`. Among equals the one that
 * waited longest, as the heap of apisix/balancer/least_conn.lua does in effect. Counts belong to
 * `key`, which outlives versions of the upstream: long requests still count after a change.
 */
export function createLeastConnections(
  nodes: readonly CompiledNode[],
  key: string,
  loads: NodeLoads,
): Picker {
  return new LeastConnections(nodes, key, loads);
}

class LeastConnections implements Picker {
  readonly #nodes: readonly CompiledNode[];
  readonly #loads: ClaimedLoads;
  /** 1 / weight: what one request more weighs. */
  readonly #costs: Float64Array;
  readonly #leastCost: number;
  #last = -1;

  constructor(nodes: readonly CompiledNode[], key: string, loads: NodeLoads) {
    this.#nodes = nodes;
    this.#costs = Float64Array.from(nodes, ({ weight }) => 1 / weight);
    this.#leastCost = Math.min(...this.#costs);
    this.#loads = new ClaimedLoads(nodes, loads, ({ label }) => `${key}#${label}`);
  }

  pick(_: BalancedRequest, tried: NodeSet, unhealthy: NodeSet): CompiledNode | undefined {
    const nodes = this.#nodes;
    const { loads, places } = this.#loads;
    const { inFlight } = loads;
    const costs = this.#costs;
    const isAll = tried === undefined && unhealthy === undefined;
    const { length } = places;
    let best = -1;
    let least = Infinity;
    // From behind the one picked last: among equals the first one wins.
    let i = this.#last;
    for (let steps = length; steps > 0; steps--) {
      i = i + 1 < length ? i + 1 : 0;
      if (!isAll && isOut(nodes[i] as CompiledNode, tried, unhealthy)) continue;
      const score = (1 + (inFlight[places[i] as number] as number)) * (costs[i] as number);
      if (score < least || best === -1) {
        best = i;
        least = score;
        // It has nothing to do, and none weighs more.
        if (score === this.#leastCost) break;
      }
    }
    if (best === -1) return undefined;
    this.#last = best;
    loads.addInFlight(places[best] as number, 1);
    return nodes[best];
  }

  release(node: CompiledNode): void {
    const place = this.#loads.placeOf(node);
    if (place !== undefined) this.#loads.loads.addInFlight(place, -1);
  }
}
