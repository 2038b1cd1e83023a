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
    const isAll = tried === undefined && unhealthy === undefined;
    const best = isAll ? this.#least() : this.#leastBut(tried, unhealthy);
    if (best === -1) return undefined;
    this.#last = best;
    const { loads, places } = this.#loads;
    loads.addInFlight(places[best] as number, 1);
    return this.#nodes[best];
  }

  release(node: CompiledNode): void {
    const place = this.#loads.placeOf(node);
    if (place !== undefined) this.#loads.loads.addInFlight(place, -1);
  }

  /** From behind the node picked last: among equals the first one wins. */
  #least(): number {
    const { loads, places } = this.#loads;
    const { inFlight } = loads;
    const costs = this.#costs;
    const { length } = places;
    const leastCost = this.#leastCost;
    const begin = this.#last + 1;
    let best = -1;
    let least = Infinity;
    for (let i = begin; i < length; i++) {
      const score = (1 + (inFlight[places[i] as number] as number)) * (costs[i] as number);
      if (score < least) {
        best = i;
        least = score;
        // It has nothing to do, and none weighs more.
        if (score === leastCost) return best;
      }
    }
    for (let i = 0; i < begin; i++) {
      const score = (1 + (inFlight[places[i] as number] as number)) * (costs[i] as number);
      if (score < least) {
        best = i;
        least = score;
        if (score === leastCost) return best;
      }
    }
    // all have the weight 0, and with it no score
    return best === -1 ? begin % length : best;
  }

  #leastBut(tried: NodeSet, unhealthy: NodeSet): number {
    const { loads, places } = this.#loads;
    let best = -1;
    let least = Infinity;
    let i = this.#last;
    for (let steps = places.length; steps > 0; steps--) {
      i = i + 1 < places.length ? i + 1 : 0;
      if (isOut(this.#nodes[i] as CompiledNode, tried, unhealthy)) continue;
      const inFlight = loads.inFlight[places[i] as number] as number;
      const score = (1 + inFlight) * (this.#costs[i] as number);
      if (score < least || best === -1) {
        best = i;
        least = score;
      }
    }
    return best;
  }
}
