import { singleChar, unionOf, type CharSet } from './char-set.ts';
import type { PatternNode } from './pattern-node.ts';

/**
 * The characters that can stand where a node begins, given those that can follow it. Undefined
 * means unknown. At an end edge nothing can follow.
 */
export function firstChars(node: PatternNode, follow: CharSet | undefined): CharSet | undefined {
  switch (node.kind) {
    case 'chars':
      return node.set;
    case 'group':
      return firstChars(node.body, follow);
    case 'edge':
      if (node.at === 'start') return follow;
      return node.multiline ? singleChar(10) : [];
    case 'word-edge':
    case 'look':
      return follow;
    case 'backref':
      return undefined;
    case 'sequence':
      return node.items.reduceRight((next, item) => firstChars(item, next), follow);
    case 'either':
      return unionOfKnown(node.options.map((option) => firstChars(option, follow)));
    case 'repeat': {
      const first = firstChars(node.body, follow);
      return node.min === 0 ? unionOfKnown([first, follow]) : first;
    }
  }
}

function unionOfKnown(sets: readonly (CharSet | undefined)[]): CharSet | undefined {
  const known = sets.filter((set) => set !== undefined);
  return known.length === sets.length ? unionOf(...known) : undefined;
}
