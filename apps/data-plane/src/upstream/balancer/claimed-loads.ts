import type { CompiledNode } from '../compiled-upstream.ts';
import type { NodeLoads } from './node-loads.ts';

const abandoned = new FinalizationRegistry(
  ({ loads, places }: { loads: NodeLoads; places: Int32Array }) => {
    for (const place of places) loads.unclaim(place);
  },
);

/** The places of an upstream's nodes, kept as long as the upstream is. */
export class ClaimedLoads {
  readonly loads: NodeLoads;
  readonly #nodes: readonly CompiledNode[];
  readonly #nameOf: (node: CompiledNode) => string;
  readonly #placeOf = new Map<CompiledNode, number>();
  #places: Int32Array | undefined;

  constructor(
    nodes: readonly CompiledNode[],
    loads: NodeLoads,
    nameOf: (node: CompiledNode) => string,
  ) {
    this.#nodes = nodes;
    this.loads = loads;
    this.#nameOf = nameOf;
  }

  /** By index of the node. Claimed when first asked for: most upstreams may never be used. */
  get places(): Int32Array {
    if (this.#places !== undefined) return this.#places;
    const { loads } = this;
    const places = Int32Array.from(this.#nodes, (node) => loads.claim(this.#nameOf(node)));
    this.#nodes.forEach((node, i) => void this.#placeOf.set(node, places[i] as number));
    // A request in flight holds the upstream and with it this: nothing is let go of too early.
    abandoned.register(this, { loads, places });
    return (this.#places = places);
  }

  placeOf(node: CompiledNode): number | undefined {
    // a balancer that had no choice has not asked for the places yet
    if (this.#places === undefined) void this.places;
    return this.#placeOf.get(node);
  }
}

/** Turns that all threads take one after another. */
export class ClaimedTurns {
  readonly #key: string;
  readonly #loads: NodeLoads;
  #place = 0;

  constructor(key: string, loads: NodeLoads) {
    this.#key = key;
    this.#loads = loads;
  }

  /** A number one above the last one, of whichever thread that was. */
  take(): number {
    return this.#loads.takeTurn(this.#claimed());
  }

  /** What `take` would give. */
  peek(): number {
    return this.#loads.nextTurn(this.#claimed());
  }

  #claimed(): number {
    if (this.#place === 0) {
      this.#place = this.#loads.claim(`turns#${this.#key}`);
      abandoned.register(this, { loads: this.#loads, places: Int32Array.of(this.#place) });
    }
    return this.#place;
  }
}
