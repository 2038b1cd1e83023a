// Sets of UTF-16 code units as sorted, disjoint, inclusive ranges: [from, to, from, to, …].

export type CharSet = readonly number[];

const UNIT_MAX = 0xffff;

export function singleChar(code: number): CharSet {
  return [code, code];
}

export function unionOf(...sets: readonly CharSet[]): CharSet {
  const pairs: [number, number][] = [];
  for (const set of sets) {
    for (let i = 0; i < set.length; i += 2) pairs.push([set[i] ?? 0, set[i + 1] ?? 0]);
  }
  pairs.sort((a, b) => a[0] - b[0]);
  const merged: number[] = [];
  for (const [from, to] of pairs) {
    const last = merged.at(-1);
    if (last === undefined || from > last + 1) merged.push(from, to);
    else if (to > last) merged[merged.length - 1] = to;
  }
  return merged;
}

export function complementOf(set: CharSet): CharSet {
  const result: number[] = [];
  let next = 0;
  for (let i = 0; i < set.length; i += 2) {
    const from = set[i] ?? 0;
    if (from > next) result.push(next, from - 1);
    next = (set[i + 1] ?? 0) + 1;
  }
  if (next <= UNIT_MAX) result.push(next, UNIT_MAX);
  return result;
}

export function overlaps(left: CharSet, right: CharSet): boolean {
  for (let i = 0; i < left.length; i += 2) {
    for (let j = 0; j < right.length; j += 2) {
      const apart = (left[i + 1] ?? 0) < (right[j] ?? 0) || (right[j + 1] ?? 0) < (left[i] ?? 0);
      if (!apart) return true;
    }
  }
  return false;
}

/** With the other case of each ASCII letter; PCRE without UTF folds no more than these. */
export function withBothCases(set: CharSet): CharSet {
  const added: number[] = [];
  for (let i = 0; i < set.length; i += 2) {
    const from = set[i] ?? 0;
    const to = set[i + 1] ?? 0;
    addShifted(added, Math.max(from, 65), Math.min(to, 90), 32);
    addShifted(added, Math.max(from, 97), Math.min(to, 122), -32);
  }
  return added.length === 0 ? set : unionOf(set, added);
}

function addShifted(target: number[], from: number, to: number, shift: number): void {
  if (from <= to) target.push(from + shift, to + shift);
}

const DIGIT: CharSet = [48, 57];
const WORD: CharSet = [48, 57, 65, 90, 95, 95, 97, 122];
const SPACE: CharSet = [9, 13, 32, 32];
const HORIZONTAL: CharSet = [9, 9, 32, 32, 160, 160];
const VERTICAL: CharSet = [10, 13, 133, 133];

export const ANY_CHAR: CharSet = [0, UNIT_MAX];
export const NOT_NEWLINE: CharSet = complementOf(singleChar(10));

/** `\d` and its like; PCRE's are ASCII. */
export const ESCAPED_SETS: Readonly<Record<string, CharSet>> = {
  d: DIGIT,
  D: complementOf(DIGIT),
  w: WORD,
  W: complementOf(WORD),
  s: SPACE,
  S: complementOf(SPACE),
  h: HORIZONTAL,
  H: complementOf(HORIZONTAL),
  v: VERTICAL,
  V: complementOf(VERTICAL),
  N: NOT_NEWLINE,
};

/** `[:alpha:]` and its like. */
export const POSIX_SETS: Readonly<Record<string, CharSet>> = {
  alpha: [65, 90, 97, 122],
  lower: [97, 122],
  upper: [65, 90],
  digit: DIGIT,
  alnum: [48, 57, 65, 90, 97, 122],
  word: WORD,
  space: SPACE,
  blank: [9, 9, 32, 32],
  cntrl: [0, 31, 127, 127],
  graph: [33, 126],
  print: [32, 126],
  punct: [33, 47, 58, 64, 91, 96, 123, 126],
  xdigit: [48, 57, 65, 70, 97, 102],
  ascii: [0, 127],
};
