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

/** Nodes of one weight, side by side: among them the count alone decides. */
interface WeightGroup {
  /** 1 / weight: what one request more weighs. */
  readonly cost: number;
  /** Index of the first one, and of the one behind the last. */
  readonly from: number;
  readonly to: number;
  /** Index of the one picked last. */
  last: number;
}

/**
 * All counts are looked at for every pick, since other threads change them, too: an order that is kept
 * would have to be told of each change by every thread, which costs more than looking.
 */
class LeastConnections implements Picker {
  /** Heaviest first. */
  readonly #nodes: readonly CompiledNode[];
  readonly #groups: readonly WeightGroup[];
  readonly #loads: ClaimedLoads;

  constructor(nodes: readonly CompiledNode[], key: string, loads: NodeLoads) {
    this.#nodes = nodes.toSorted((a, b) => b.weight - a.weight);
    this.#groups = groupsOf(this.#nodes);
    this.#loads = new ClaimedLoads(this.#nodes, loads, ({ label }) => `${key}#${label}`);
  }

  pick(_: BalancedRequest, tried: NodeSet, unhealthy: NodeSet): CompiledNode | undefined {
    const { loads, places } = this.#loads;
    const { inFlight } = loads;
    const isAll = tried === undefined && unhealthy === undefined;
    let best = -1;
    let bestGroup: WeightGroup | undefined;
    let least = Infinity;
    for (const group of this.#groups) {
      // Those that follow weigh more even with nothing to do.
      if (bestGroup !== undefined && group.cost >= least) break;
      const index = isAll
        ? leastIn(group, inFlight, places)
        : this.#leastBut(group, tried, unhealthy);
      if (index === -1) continue;
      const score = (1 + (inFlight[places[index] as number] as number)) * group.cost;
      if (bestGroup !== undefined && score >= least) continue;
      best = index;
      bestGroup = group;
      least = score;
    }
    if (bestGroup === undefined) return undefined;
    bestGroup.last = best;
    loads.addInFlight(places[best] as number, 1);
    return this.#nodes[best];
  }

  release(node: CompiledNode): void {
    const place = this.#loads.placeOf(node);
    if (place !== undefined) this.#loads.loads.addInFlight(place, -1);
  }

  /** Index in the group, or -1: all of it is out. */
  #leastBut({ from, to, last }: WeightGroup, tried: NodeSet, unhealthy: NodeSet): number {
    const { loads, places } = this.#loads;
    let best = -1;
    let least = Infinity;
    let i = last;
    for (let steps = to - from; steps > 0; steps--) {
      i = i + 1 < to ? i + 1 : from;
      if (isOut(this.#nodes[i] as CompiledNode, tried, unhealthy)) continue;
      const count = loads.inFlight[places[i] as number] as number;
      if (best !== -1 && count >= least) continue;
      best = i;
      least = count;
    }
    return best;
  }
}

/** Of all of the group. From behind the one picked last: among equals the first one wins. */
function leastIn(
  { from, to, last }: WeightGroup,
  inFlight: Int32Array,
  places: Int32Array,
): number {
  const begin = last + 1 < to ? last + 1 : from;
  let best = begin;
  let least = inFlight[places[begin] as number] as number;
  for (let i = begin + 1; i < to && least > 0; i++) {
    const count = inFlight[places[i] as number] as number;
    if (count >= least) continue;
    best = i;
    least = count;
  }
  for (let i = from; i < begin && least > 0; i++) {
    const count = inFlight[places[i] as number] as number;
    if (count >= least) continue;
    best = i;
    least = count;
  }
  return best;
}

function groupsOf(heaviestFirst: readonly CompiledNode[]): readonly WeightGroup[] {
  const groups: WeightGroup[] = [];
  let from = 0;
  for (const [i, { weight }] of heaviestFirst.entries()) {
    if (heaviestFirst[i + 1]?.weight === weight) continue;
    groups.push({ cost: 1 / weight, from, to: i + 1, last: i });
    from = i + 1;
  }
  return groups;
}
