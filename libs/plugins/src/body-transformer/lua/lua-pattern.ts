import { LuaError, type LuaBudget } from './lua-value.ts';

const CAPTURES_MAX = 32;
const DEPTH_MAX = 200;

const CLASSES: Readonly<Record<string, RegExp>> = {
  a: /[A-Za-z]/,
  c: /[\0-\x1f\x7f]/,
  d: /[0-9]/,
  l: /[a-z]/,
  p: /[!-/:-@[-`{-~]/,
  s: /[\t-\r ]/,
  u: /[A-Z]/,
  w: /[A-Za-z0-9]/,
  x: /[0-9A-Fa-f]/,
  z: /\0/,
};

export interface PatternMatch {
  readonly start: number;
  readonly end: number;
  /** A number for an empty capture: the position, from 1. */
  readonly captures: readonly (string | number)[];
}

interface Capture {
  readonly start: number;
  /** -1: open; -2: a position. */
  length: number;
}

/** Lua's patterns, as lstrlib.c matches them, at the cost of the budget. */
export function matchPattern(
  text: string,
  pattern: string,
  from: number,
  budget: LuaBudget,
): PatternMatch | undefined {
  const isAnchored = pattern.startsWith('^');
  const matcher = new Matcher(text, pattern, budget);
  for (let start = from; start <= text.length; start++) {
    const end = matcher.match(start, isAnchored ? 1 : 0);
    if (end !== -1) return { start, end, captures: matcher.captures() };
    if (isAnchored) return undefined;
  }
  return undefined;
}

class Matcher {
  readonly #text: string;
  readonly #pattern: string;
  readonly #budget: LuaBudget;
  #captures: Capture[] = [];
  #depth = 0;

  constructor(text: string, pattern: string, budget: LuaBudget) {
    this.#text = text;
    this.#pattern = pattern;
    this.#budget = budget;
  }

  match(at: number, p: number): number {
    this.#captures = [];
    return this.#match(at, p);
  }

  captures(): (string | number)[] {
    return this.#captures.map(({ start, length }) =>
      length === -2 ? start + 1 : this.#text.slice(start, start + Math.max(0, length)),
    );
  }

  /** Where the match ends, or -1. */
  #match(at: number, p: number): number {
    this.#budget.step();
    if (p >= this.#pattern.length) return at;
    if (++this.#depth > DEPTH_MAX) throw new LuaError('pattern too complex');
    try {
      return this.#matchItem(at, p);
    } finally {
      this.#depth -= 1;
    }
  }

  #matchItem(at: number, p: number): number {
    const pattern = this.#pattern;
    const char = pattern[p];
    const next = pattern[p + 1];
    if (char === '(') {
      return next === ')' ? this.#open(at, p + 2, -2) : this.#open(at, p + 1, -1);
    }
    if (char === ')') return this.#close(at, p + 1);
    if (char === '%' && next === 'b') return this.#balanced(at, p + 2);
    if (char === '%' && next !== undefined && next >= '0' && next <= '9') {
      return this.#again(at, p, Number(next) - 1);
    }
    if (char === '$' && p + 1 === pattern.length) return at === this.#text.length ? at : -1;
    const end = this.#itemEnd(p);
    switch (pattern[end]) {
      case '?': {
        const one = this.#holds(at, p, end) ? this.#match(at + 1, end + 1) : -1;
        return one === -1 ? this.#match(at, end + 1) : one;
      }
      case '*':
        return this.#longest(at, p, end);
      case '+':
        return this.#holds(at, p, end) ? this.#longest(at + 1, p, end) : -1;
      case '-':
        return this.#shortest(at, p, end);
      default:
        return this.#holds(at, p, end) ? this.#match(at + 1, end) : -1;
    }
  }

  #longest(at: number, p: number, end: number): number {
    let count = 0;
    while (this.#holds(at + count, p, end)) {
      this.#budget.step();
      count += 1;
    }
    for (; count >= 0; count--) {
      const found = this.#match(at + count, end + 1);
      if (found !== -1) return found;
    }
    return -1;
  }

  #shortest(start: number, p: number, end: number): number {
    for (let at = start; ; at++) {
      const found = this.#match(at, end + 1);
      if (found !== -1) return found;
      if (!this.#holds(at, p, end)) return -1;
    }
  }

  #open(at: number, p: number, length: number): number {
    if (this.#captures.length >= CAPTURES_MAX) throw new LuaError('too many captures');
    this.#captures.push({ start: at, length });
    const found = this.#match(at, p);
    if (found === -1) this.#captures.pop();
    return found;
  }

  #close(at: number, p: number): number {
    const capture = this.#captures.findLast(({ length }) => length === -1);
    if (capture === undefined) throw new LuaError('invalid pattern capture');
    capture.length = at - capture.start;
    const found = this.#match(at, p);
    if (found === -1) capture.length = -1;
    return found;
  }

  #again(at: number, p: number, index: number): number {
    const capture = this.#captures[index];
    if (capture === undefined || capture.length < 0) throw new LuaError('invalid capture index');
    const wanted = this.#text.slice(capture.start, capture.start + capture.length);
    return this.#text.startsWith(wanted, at) ? this.#match(at + wanted.length, p + 2) : -1;
  }

  #balanced(at: number, p: number): number {
    const [open, close] = [this.#pattern[p], this.#pattern[p + 1]];
    if (close === undefined) throw new LuaError('unbalanced pattern');
    if (this.#text[at] !== open) return -1;
    let depth = 1;
    for (let i = at + 1; i < this.#text.length; i++) {
      this.#budget.step();
      if (this.#text[i] === close) depth -= 1;
      else if (this.#text[i] === open) depth += 1;
      if (depth === 0) return this.#match(i + 1, p + 2);
    }
    return -1;
  }

  /** Behind a character, a class or a set. */
  #itemEnd(p: number): number {
    const pattern = this.#pattern;
    if (pattern[p] === '%') {
      if (p + 1 >= pattern.length) throw new LuaError("malformed pattern (ends with '%')");
      return p + 2;
    }
    if (pattern[p] !== '[') return p + 1;
    let end = p + (pattern[p + 1] === '^' ? 2 : 1);
    do {
      if (end >= pattern.length) throw new LuaError("malformed pattern (missing ']')");
      end += pattern[end] === '%' ? 2 : 1;
    } while (pattern[end] !== ']');
    return end + 1;
  }

  #holds(at: number, p: number, end: number): boolean {
    const char = this.#text[at];
    if (char === undefined) return false;
    const item = this.#pattern[p];
    if (item === '.') return true;
    if (item === '%') return inClass(char, this.#pattern[p + 1] ?? '');
    return item === '[' ? this.#inSet(char, p, end - 1) : item === char;
  }

  #inSet(char: string, p: number, close: number): boolean {
    const pattern = this.#pattern;
    const isNegated = pattern[p + 1] === '^';
    for (let i = p + (isNegated ? 2 : 1); i < close; i++) {
      if (pattern[i] === '%') {
        i += 1;
        if (inClass(char, pattern[i] ?? '')) return !isNegated;
      } else if (pattern[i + 1] === '-' && i + 2 < close) {
        if (char >= (pattern[i] ?? '') && char <= (pattern[i + 2] ?? '')) return !isNegated;
        i += 2;
      } else if (pattern[i] === char) {
        return !isNegated;
      }
    }
    return isNegated;
  }
}

function inClass(char: string, letter: string): boolean {
  const known = CLASSES[letter.toLowerCase()];
  if (known === undefined) return letter === char;
  return known.test(char) === (letter === letter.toLowerCase());
}
