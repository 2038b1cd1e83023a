import { overlaps, type CharSet } from './char-set.ts';
import { firstChars } from './first-chars.ts';
import type { PatternNode } from './pattern-node.ts';

/** An upper bound for the steps of a backtracking match: choices × (subject length) ^ degree. */
export interface BacktrackingCost {
  readonly choices: number;
  readonly degree: number;
}

/** Why a pattern could take exponential time. */
export type CostRefusal = 'nested quantifiers' | 'alternatives that begin alike in a loop';

type Cost = BacktrackingCost | CostRefusal;
type Repeat = Extract<PatternNode, { kind: 'repeat' }>;

const NO_COST: BacktrackingCost = { choices: 1, degree: 0 };
// A count up to here is a number of choices; above, it is a loop.
const COUNT_MAX = 32;

/**
 * What a pattern may cost the backtracking engine. Loops must be unambiguous in themselves: no
 * loop or option within a loop, no two alternatives that begin alike. A loop then adds a degree
 * if what follows can begin like another turn of it; else it can end in one place only.
 */
export function backtrackingCost(root: PatternNode): Cost {
  // Nothing makes the engine come back once the whole pattern has matched: nothing follows.
  const cost = costOf(root, []);
  if (typeof cost === 'string') return cost;
  const scan = hasRepeat(root) ? 1 : 0;
  const starts = startsAnchored(root) ? 0 : 1;
  return { choices: cost.choices, degree: cost.degree + scan + starts };
}

function costOf(node: PatternNode, follow: CharSet | undefined): Cost {
  switch (node.kind) {
    case 'chars':
    case 'edge':
    case 'word-edge':
    case 'backref':
      return NO_COST;
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
  let { choices, degree } = NO_COST;
  let next = follow;
  for (const item of items.toReversed()) {
    const cost = costOf(item, next);
    if (typeof cost === 'string') return cost;
    choices *= cost.choices;
    // A look is entered once for each way to get there, but what follows does not re-enter it.
    degree = item.kind === 'look' ? Math.max(degree, cost.degree) : degree + cost.degree;
    next = firstChars(item, next);
  }
  return { choices, degree };
}

function costOfEither(options: readonly PatternNode[], follow: CharSet | undefined): Cost {
  let { choices, degree } = NO_COST;
  const distinct = beginDifferently(options, follow);
  for (const option of options) {
    const cost = costOf(option, follow);
    if (typeof cost === 'string') return cost;
    choices = distinct ? Math.max(choices, cost.choices) : choices + cost.choices;
    degree = Math.max(degree, cost.degree);
  }
  return { choices, degree };
}

function costOfRepeat(node: Repeat, follow: CharSet | undefined): Cost {
  if (node.max === 0) return NO_COST;
  const first = firstChars(node.body, undefined);
  const ambiguous = first === undefined || follow === undefined || overlaps(first, follow);
  if (node.max === 1) {
    const cost = costOf(node.body, follow);
    if (typeof cost === 'string' || !ambiguous) return cost;
    return { choices: cost.choices + 1, degree: cost.degree };
  }
  if (hasRepeat(node.body)) return 'nested quantifiers';
  if (hasAmbiguousChoice(node.body)) return 'alternatives that begin alike in a loop';
  if (!ambiguous || node.min === node.max) return NO_COST;
  if (node.max <= COUNT_MAX) return { choices: node.max - node.min + 1, degree: 0 };
  return { choices: 1, degree: 1 };
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
