import type { CompiledNode } from '../compiled-upstream.ts';
import { isOut } from './balancer.ts';
import type { BalancedRequest, NodeSet, Picker } from './balancer.ts';
import { ClaimedLoads } from './claimed-loads.ts';
import type { NodeLoads } from './node-loads.ts';

/** Seconds. */
const DECAY_TIME = 10;
/** After this many seconds without an answer nothing is known of a node. */
const KNOWN_FOR = 60;

/**
 * The faster of two nodes taken by chance, by a moving average of response times that decays: `ewma`
 * of apisix/balancer/ewma.lua. Weights have no effect. Averages belong to the address, whichever
 * upstream it is in.
 */
export function createResponseTime(nodes: readonly CompiledNode[], loads: NodeLoads): Picker {
  return new ResponseTime(nodes, loads);
}

class ResponseTime implements Picker {
  readonly #nodes: readonly CompiledNode[];
  readonly #loads: ClaimedLoads;

  constructor(nodes: readonly CompiledNode[], loads: NodeLoads) {
    this.#nodes = nodes;
    this.#loads = new ClaimedLoads(nodes, loads, ({ label }) => `ewma#${label}`);
  }

  pick(_: BalancedRequest, tried: NodeSet, unhealthy: NodeSet): CompiledNode | undefined {
    const all = this.#nodes;
    if (tried === undefined && unhealthy === undefined) return all[this.#better(all.length)];
    const indexes: number[] = [];
    for (let i = 0; i < all.length; i++) {
      if (!isOut(all[i] as CompiledNode, tried, unhealthy)) indexes.push(i);
    }
    return all[this.#better(indexes.length, indexes)];
  }

  release(node: CompiledNode, responseTimeMs: number | undefined): void {
    if (responseTimeMs === undefined) return;
    const { loads } = this.#loads;
    const place = this.#loads.placeOf(node);
    if (place === undefined) return;
    const now = Date.now() / 1000;
    const kept = weightOf(loads.touchedS(place), now);
    loads.setAverage(
      place,
      loads.average(place) * kept + (responseTimeMs / 1000) * (1 - kept),
      now,
    );
  }

  /** Index of a node among the first `count`, or among those that `indexes` names. */
  #better(count: number, indexes?: readonly number[]): number {
    const at = (n: number): number => (indexes === undefined ? n : (indexes[n] ?? -1));
    if (count < 2) return at(0);
    const first = Math.floor(Math.random() * count);
    let second = Math.floor(Math.random() * (count - 1));
    if (second >= first) second += 1;
    const a = at(first);
    const b = at(second);
    const now = Date.now() / 1000;
    return this.#score(a, now) > this.#score(b, now) ? b : a;
  }

  #score(index: number, now: number): number {
    const { loads, places } = this.#loads;
    const place = places[index] as number;
    return loads.average(place) * weightOf(loads.touchedS(place), now);
  }
}

/** How much of the former average counts now. */
function weightOf(touchedS: number, now: number): number {
  const age = now - touchedS;
  return age >= KNOWN_FOR ? 0 : Math.exp(-Math.max(age, 0) / DECAY_TIME);
}
