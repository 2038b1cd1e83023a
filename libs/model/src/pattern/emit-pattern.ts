import type { CharSet } from './char-set.ts';
import type { PatternNode } from './pattern-node.ts';

export interface EmittedPattern {
  /** A JavaScript pattern that needs no flags. */
  readonly source: string;
  /**
   * For each group of the original, from 1: the groups that stand for it, in order of their
   * repetition. The last one that took part is the capture.
   */
  readonly captures: readonly (readonly number[])[];
  /** Nodes written, a measure of what one character costs. */
  readonly size: number;
}

interface Emission {
  readonly captures: number[][];
  readonly expandCounts: boolean;
  nextGroup: number;
  size: number;
}

// V8's linear engine refuses more than 16 repetitions; written out they are no repetitions.
const SIZE_MAX = 10_000;

/**
 * Writes a pattern for V8. With `expandCounts`, `x{2,3}` becomes `xx(?:x)?`; the result is then
 * undefined when that gets longer than 10,000 nodes.
 */
export function emitPattern(
  root: PatternNode,
  groupCount: number,
  expandCounts: boolean,
): EmittedPattern | undefined {
  const captures = Array.from({ length: groupCount + 1 }, () => [] as number[]);
  const emission: Emission = { captures, expandCounts, nextGroup: 1, size: 0 };
  const source = emit(root, emission);
  return source === undefined ? undefined : { source, captures, size: emission.size };
}

function emit(node: PatternNode, emission: Emission): string | undefined {
  emission.size += 1;
  if (emission.size > SIZE_MAX) return undefined;
  switch (node.kind) {
    case 'chars':
      return emitSet(node.set);
    case 'edge': {
      const edge = node.at === 'start' ? '^' : '$';
      return node.multiline ? `(?m:${edge})` : edge;
    }
    case 'word-edge':
      return node.negated ? '\\B' : '\\b';
    case 'group': {
      const group = emission.nextGroup;
      emission.nextGroup += 1;
      emission.captures[node.index]?.push(group);
      return wrap('(', emit(node.body, emission));
    }
    case 'look':
      return wrap(
        `(?${node.behind ? '<' : ''}${node.negated ? '!' : '='}`,
        emit(node.body, emission),
      );
    case 'backref':
      // counts are not written out where there are back references: numbers stay as they are
      return emission.expandCounts ? undefined : `(?:\\${node.index})`;
    case 'sequence':
      return joined(node.items, '', emission);
    case 'either':
      return wrap('(?:', joined(node.options, '|', emission));
    case 'repeat':
      return emitRepeat(node, emission);
  }
}

function wrap(open: string, body: string | undefined): string | undefined {
  return body === undefined ? undefined : `${open}${body})`;
}

function joined(
  nodes: readonly PatternNode[],
  separator: string,
  emission: Emission,
): string | undefined {
  const parts: string[] = [];
  for (const node of nodes) {
    const part = emit(node, emission);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return parts.join(separator);
}

type Repeat = Extract<PatternNode, { kind: 'repeat' }>;

function emitRepeat(node: Repeat, emission: Emission): string | undefined {
  const { min, max } = node;
  const lazy = node.lazy ? '?' : '';
  const short = shortQuantifier(min, max);
  if (short !== undefined || !emission.expandCounts) {
    const body = wrap('(?:', emit(node.body, emission));
    if (body === undefined) return undefined;
    const counted = `{${min},${max === Infinity ? '' : max}}`;
    return `${body}${short ?? counted}${lazy}`;
  }
  return expandRepeat(node, emission, lazy);
}

function shortQuantifier(min: number, max: number): string | undefined {
  if (max === Infinity) return min === 0 ? '*' : min === 1 ? '+' : undefined;
  return min === 0 && max === 1 ? '?' : undefined;
}

// x{2,4} → xx(?:x(?:x)?)?   x{3,} → xx(?:x)+
function expandRepeat(node: Repeat, emission: Emission, lazy: string): string | undefined {
  const { min, max, body } = node;
  const copies = max === Infinity ? min : max;
  let source = '';
  let closing = '';
  for (let i = 0; i < copies; i += 1) {
    const copy = wrap('(?:', emit(body, emission));
    if (copy === undefined) return undefined;
    const isLast = i === copies - 1;
    if (i >= min) {
      source += `(?:${copy}`;
      closing += `)?${lazy}`;
    } else source += isLast && max === Infinity ? `${copy}+${lazy}` : copy;
  }
  return `(?:${source}${closing})`;
}

function emitSet(set: CharSet): string {
  if (set.length === 2 && set[0] === set[1]) return emitUnit(set[0] ?? 0);
  if (set.length === 0) return '[]';
  let members = '';
  for (let i = 0; i < set.length; i += 2) {
    const from = set[i] ?? 0;
    const to = set[i + 1] ?? 0;
    members += from === to ? emitUnit(from) : `${emitUnit(from)}-${emitUnit(to)}`;
  }
  return `[${members}]`;
}

function emitUnit(code: number): string {
  const char = String.fromCharCode(code);
  return /[A-Za-z0-9]/.test(char) ? char : `\\u${code.toString(16).padStart(4, '0')}`;
}
