import {
  ESCAPED_SETS,
  POSIX_SETS,
  complementOf,
  singleChar,
  unionOf,
  withBothCases,
  type CharSet,
} from './char-set.ts';
import { parseCharEscape } from './parse-escape.ts';
import type { PatternSource } from './pattern-source.ts';

const POSIX_CLASS = /\[:(\^?)([a-z]+):\]/y;

/** Reads a character class after its `[`. */
export function parseClass(source: PatternSource, ignoreCase: boolean): CharSet {
  const negated = source.take('^');
  const sets: CharSet[] = [];
  let first = true;
  while (first || source.peek() !== ']') {
    if (source.done) throw source.error('missing terminating ] for character class');
    first = false;
    sets.push(parseItem(source));
  }
  source.next();
  const set = ignoreCase ? withBothCases(unionOf(...sets)) : unionOf(...sets);
  return negated ? complementOf(set) : set;
}

// One member: a range, a single character, `\d` and its like, or `[:alpha:]`.
function parseItem(source: PatternSource): CharSet {
  const posix = source.match(POSIX_CLASS);
  if (posix !== undefined) {
    const set = POSIX_SETS[posix[2] ?? ''];
    if (set === undefined) throw source.error('unknown POSIX class name');
    return posix[1] === '^' ? complementOf(set) : set;
  }
  const from = parseMember(source);
  if (typeof from !== 'number') return from;
  if (source.peek() !== '-' || source.peek(1) === ']' || source.peek(1) === '') {
    return singleChar(from);
  }
  const hyphenAt = source.at;
  source.next();
  const to = parseMember(source);
  if (typeof to !== 'number') {
    // as in `[a-\d]`: the hyphen stands for itself
    source.at = hyphenAt;
    return singleChar(from);
  }
  if (to < from) throw source.error('range out of order in character class');
  return [from, to];
}

function parseMember(source: PatternSource): number | CharSet {
  const char = source.next();
  if (char !== '\\') {
    if (/[\ud800-\udfff]/.test(char)) {
      throw source.unsupported('characters beyond U+FFFF in a character class');
    }
    return char.charCodeAt(0);
  }
  const set = ESCAPED_SETS[source.peek()];
  if (set !== undefined && source.peek() !== 'N') {
    source.next();
    return set;
  }
  if (source.take('b')) return 8;
  return parseCharEscape(source, true);
}
