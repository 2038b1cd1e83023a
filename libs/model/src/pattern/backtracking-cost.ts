import { overlaps, type CharSet } from './char-set.ts';
import { firstChars } from './first-chars.ts';
import type { PatternNode } from './pattern-node.ts';

/** An upper bound for the steps of a backtracking match: work × (subject length) ^ degree. */
export interface BacktrackingCost {
  readonly work: number;
  readonly degree: number;
}

/** Why a pattern could take exponential time. */
export type CostRefusal = 'nested quantifiers' | 'alternatives that begin alike in a loop';

/** `ways` to get through a node; what follows is tried after each of them. */
interface NodeCost extends BacktrackingCost {
  readonly ways: number;
}

type Cost = NodeCost | CostRefusal;
type Repeat = Extract<PatternNode, { kind: 'repeat' }>;

const ONE_STEP: NodeCost = { ways: 1, work: 1, degree: 0 };
// A count up to here is a number of choices; above, it is a loop.
const COUNT_MAX = 32;

/**
 * What a pattern may cost the backtracking engine. Loops must be unambiguous in themselves: no
 * loop or option within a loop, no two alternatives that begin alike. A loop then adds a degree
 * if what follows can begin like another turn of it; else it can end in one place only.
 */
export function backtrackingCost(root: PatternNode): BacktrackingCost | CostRefusal {
  // Nothing makes the engine come back once the whole pattern has matched: nothing follows.
  const cost = costOf(root, []);
  if (typeof cost === 'string') return cost;
  const scan = hasRepeat(root) ? 1 : 0;
  const starts = startsAnchored(root) ? 0 : 1;
  return { work: cost.work, degree: cost.degree + scan + starts };
}

function costOf(node: PatternNode, follow: CharSet | undefined): Cost {
  switch (node.kind) {
    case 'chars':
    case 'edge':
    case 'word-edge':
    case 'backref':
      return ONE_STEP;
    case 'group':
      return costOf(node.body, follow);
    case 'look':
      // Once it has matched it is not entered again; but behind is read from right to left.
      return costOf(node.body, node.behind ? undefined : []);
    case 'sequence':
      return costOfSequence(node.items, follow);
    case 'either':
      return costOfEither(node.options, follow);
    case 'repeat':
      return costOfRepeat(node, follow);
  }
}

function costOfSequence(items: readonly PatternNode[], follow: CharSet | undefined): Cost {
  let { ways, work, degree } = ONE_STEP;
  let next = follow;
  for (const item of items.toReversed()) {
    const cost = costOf(item, next);
    if (typeof cost === 'string') return cost;
    work = cost.work + cost.ways * work;
    ways *= cost.ways;
    // A look is entered once for each way to get there, but what follows does not re-enter it.
    degree = item.kind === 'look' ? Math.max(degree, cost.degree) : degree + cost.degree;
    next = firstChars(item, next);
  }
  return { ways, work, degree };
}

function costOfEither(options: readonly PatternNode[], follow: CharSet | undefined): Cost {
  const distinct = beginDifferently(options, follow);
  let [ways, work, degree] = [0, 1, 0];
  for (const option of options) {
    const cost = costOf(option, follow);
    if (typeof cost === 'string') return cost;
    ways = distinct ? Math.max(ways, cost.ways) : ways + cost.ways;
    work += cost.work;
    degree = Math.max(degree, cost.degree);
  }
  return { ways, work, degree };
}

function costOfRepeat(node: Repeat, follow: CharSet | undefined): Cost {
  const { min, max, body } = node;
  if (max === 0) return ONE_STEP;
  const first = firstChars(body, undefined);
  const ambiguous = first === undefined || follow === undefined || overlaps(first, follow);
  if (max === 1) {
    const cost = costOf(body, follow);
    if (typeof cost === 'string') return cost;
    return { ...cost, ways: cost.ways + (ambiguous ? 1 : 0), work: cost.work + 1 };
  }
  if (hasRepeat(body)) return 'nested quantifiers';
  if (hasAmbiguousChoice(body)) return 'alternatives that begin alike in a loop';
  const turn = costOf(body, undefined);
  if (typeof turn === 'string') return turn;
  const counted = max <= COUNT_MAX;
  const work = counted ? turn.work * max : turn.work;
  if (!ambiguous || min === max) return { ways: 1, work, degree: 0 };
  return counted ? { ways: max - min + 1, work, degree: 0 } : { ways: 1, work, degree: 1 };
}

// A back reference reads again what a loop may have read.
function hasRepeat(node: PatternNode): boolean {
  return node.kind === 'repeat' || node.kind === 'backref' || childrenOf(node).some(hasRepeat);
}

function hasAmbiguousChoice(node: PatternNode): boolean {
  if (node.kind === 'either' && !beginDifferently(node.options, undefined)) return true;
  return childrenOf(node).some(hasAmbiguousChoice);
}

function beginDifferently(options: readonly PatternNode[], follow: CharSet | undefined): boolean {
  const firsts: CharSet[] = [];
  for (const option of options) {
    const first = firstChars(option, follow);
    if (first === undefined || firsts.some((other) => overlaps(first, other))) return false;
    firsts.push(first);
  }
  return true;
}

function childrenOf(node: PatternNode): readonly PatternNode[] {
  switch (node.kind) {
    case 'group':
    case 'look':
    case 'repeat':
      return [node.body];
    case 'sequence':
      return node.items;
    case 'either':
      return node.options;
    default:
      return [];
  }
}

function startsAnchored(node: PatternNode): boolean {
  switch (node.kind) {
    case 'edge':
      return node.at === 'start' && !node.multiline;
    case 'group':
      return startsAnchored(node.body);
    case 'sequence':
      return node.items[0] !== undefined && startsAnchored(node.items[0]);
    case 'either':
      return node.options.every(startsAnchored);
    default:
      return false;
  }
}
