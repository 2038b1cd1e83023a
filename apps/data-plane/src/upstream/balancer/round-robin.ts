import type { CompiledNode } from '../compiled-upstream.ts';
import { isOut } from './balancer.ts';
import type { BalancedRequest, NodeSet, Picker } from './balancer.ts';
import { ClaimedTurns } from './claimed-loads.ts';
import type { NodeLoads } from './node-loads.ts';

/** Turns of a round that are written down: it is walked through when a heavy node is out. */
const TURNS_MAX = 1024;

/**
 * Weighted round robin. Shares are those of APISIX's (lua-resty-balancer); heavy nodes are spread out
 * instead of coming in a row, as nginx does it. A round is computed once and then walked through by all
 * worker threads together: `key` is whose round it is, whatever its version.
 */
export function createRoundRobin(
  nodes: readonly CompiledNode[],
  key: string,
  loads: NodeLoads,
): Picker {
  // Where every weight is 0, as lua-resty-balancer has it, all get the same.
  const weighty = nodes.filter(({ weight }) => weight > 0);
  const weightless = nodes.filter(({ weight }) => weight === 0);
  if (weighty.length === 0) return turnAbout(weightless, key, loads);
  if (weightless.length === 0) return createWeighted(weighty, key, loads);
  return new WithSpares(
    weighty,
    createWeighted(weighty, key, loads),
    turnAbout(weightless, `${key}#spare`, loads),
  );
}

function turnAbout(nodes: readonly CompiledNode[], key: string, loads: NodeLoads): Picker {
  return new WrittenRound(nodes, () => nodes.map((_, i) => i), new ClaimedTurns(key, loads));
}

function createWeighted(weighty: readonly CompiledNode[], key: string, loads: NodeLoads): Picker {
  const divisor = weighty.reduce((common, { weight }) => greatestDivisor(common, weight), 0);
  const turns = weighty.reduce((sum, { weight }) => sum + weight / divisor, 0);
  if (turns > TURNS_MAX) return new SmoothRoundRobin(weighty);
  const write = (): readonly number[] => {
    const smooth = new SmoothRoundRobin(weighty);
    return Array.from({ length: turns }, () => smooth.next(undefined, undefined));
  };
  return new WrittenRound(weighty, write, new ClaimedTurns(key, loads));
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** Nodes of weight 0 serve while all others are unhealthy; that all others were tried is not enough. */
class WithSpares implements Picker {
  readonly #weighty: readonly CompiledNode[];
  readonly #usual: Picker;
  readonly #spare: Picker;

  constructor(weighty: readonly CompiledNode[], usual: Picker, spare: Picker) {
    this.#weighty = weighty;
    this.#usual = usual;
    this.#spare = spare;
  }

  pick(request: BalancedRequest, tried: NodeSet, unhealthy: NodeSet): CompiledNode | undefined {
    const node = this.#usual.pick(request, tried, unhealthy);
    if (node !== undefined || unhealthy === undefined) return node;
    if (!this.#weighty.every((one) => unhealthy.has(one))) return undefined;
    return this.#spare.pick(request, tried, unhealthy);
  }
}

/** Computed at the first pick: most upstreams of a large configuration may never be used. */
class WrittenRound implements Picker {
  readonly #nodes: readonly CompiledNode[];
  readonly #write: () => readonly number[];
  /** Indexes of nodes. */
  #turns: Uint16Array | undefined;
  readonly #taken: ClaimedTurns;

  constructor(nodes: readonly CompiledNode[], write: () => readonly number[], taken: ClaimedTurns) {
    this.#taken = taken;
    this.#nodes = nodes;
    this.#write = write;
  }

  pick(_: BalancedRequest, tried: NodeSet, unhealthy: NodeSet): CompiledNode | undefined {
    const turns = (this.#turns ??= Uint16Array.from(this.#write()));
    const taken = this.#taken;
    // A further try takes nobody's turn: or else a dead node would be the first of every request.
    let at = tried === undefined ? taken.take() : taken.peek();
    if (tried === undefined) {
      for (let steps = turns.length; steps > 0; steps--) {
        const node = this.#at(turns, at);
        if (!isOut(node, tried, unhealthy)) return node;
        // What would have been the turn of one that is ill is shared by all others.
        at = taken.take();
      }
      // Meanwhile other threads have taken the turns of all that are well: one of these then, out of turn.
    }
    for (let steps = turns.length; steps > 0; steps--, at++) {
      const node = this.#at(turns, at);
      if (!isOut(node, tried, unhealthy)) return node;
    }
    return undefined;
  }

  #at(turns: Uint16Array, at: number): CompiledNode {
    return this.#nodes[turns[at % turns.length] as number] as CompiledNode;
  }
}

/** For weights whose round is too long to be written down. */
class SmoothRoundRobin implements Picker {
  readonly #nodes: readonly CompiledNode[];
  readonly #weights: Float64Array;
  readonly #current: Float64Array;

  constructor(nodes: readonly CompiledNode[]) {
    this.#nodes = nodes;
    this.#weights = Float64Array.from(nodes, ({ weight }) => weight);
    this.#current = new Float64Array(nodes.length);
  }

  pick(_: BalancedRequest, tried: NodeSet, unhealthy: NodeSet): CompiledNode | undefined {
    return this.#nodes[this.next(tried, unhealthy)];
  }

  /** Index of the next node; -1: there is none. */
  next(tried: NodeSet, unhealthy: NodeSet): number {
    const nodes = this.#nodes;
    const weights = this.#weights;
    const current = this.#current;
    const isAll = tried === undefined && unhealthy === undefined;
    let total = 0;
    let best = -1;
    let most = -Infinity;
    for (let i = 0; i < nodes.length; i++) {
      if (!isAll && isOut(nodes[i] as CompiledNode, tried, unhealthy)) continue;
      const weight = weights[i] as number;
      total += weight;
      const value = (current[i] as number) + weight;
      current[i] = value;
      if (value > most) {
        most = value;
        best = i;
      }
    }
    if (best !== -1) current[best] = most - total;
    return best;
  }
}
