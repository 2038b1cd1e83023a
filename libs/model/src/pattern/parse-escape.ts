import type { PatternSource } from './pattern-source.ts';

const SIMPLE: Readonly<Record<string, number>> = { a: 7, e: 27, f: 12, n: 10, r: 13, t: 9 };
const HEX = /x(?:\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{0,2}))/y;
const OCTAL = /[0-7]{1,3}/y;
const UNIT_MAX = 0xffff;

/** Reads an escape that stands for one character, after its backslash; returns the code unit. */
export function parseCharEscape(source: PatternSource, inClass: boolean): number {
  if (source.done) throw source.error('\\ at end of pattern');
  const hex = source.match(HEX);
  if (hex !== undefined) return unit(source, Number.parseInt(hex[1] ?? (hex[2] || '0'), 16));
  if (source.peek() === '0' || inClass) {
    const octal = source.match(OCTAL);
    if (octal !== undefined) return unit(source, Number.parseInt(octal[0], 8));
  }
  const char = source.next();
  if (char === 'c') return controlCode(source);
  const simple = SIMPLE[char];
  if (simple !== undefined) return simple;
  if (/[a-zA-Z0-9]/.test(char)) throw source.error('unrecognized character follows \\');
  return char.charCodeAt(0);
}

function controlCode(source: PatternSource): number {
  if (source.done) throw source.error('\\c at end of pattern');
  return source.next().toUpperCase().charCodeAt(0) ^ 64;
}

function unit(source: PatternSource, code: number): number {
  if (code > UNIT_MAX) throw source.unsupported('escapes beyond U+FFFF');
  return code;
}
