import { matchPattern, type PatternMatch } from './lua-pattern.ts';
import {
  isTrue,
  LuaError,
  LuaTable,
  toNumber,
  toText,
  typeName,
  numberText,
  type LuaBudget,
  type LuaFunction,
  type LuaValue,
} from './lua-value.ts';

function textAt(args: readonly LuaValue[], index: number, name: string): string {
  const value = args[index];
  if (typeof value === 'string' || typeof value === 'number') return toText(value);
  const got = index < args.length ? typeName(value) : 'no value';
  throw new LuaError(`bad argument #${index + 1} to '${name}' (string expected, got ${got})`);
}

function numberOr(value: LuaValue, fallback: number): number {
  return toNumber(value) ?? fallback;
}

/** A position from 1, or from the end, as an index; not yet within the text. */
function startOf(position: number, length: number): number {
  if (position > 0) return position - 1;
  return position === 0 ? 0 : Math.max(0, length + position);
}

const sub: LuaFunction = (args) => {
  const text = textAt(args, 0, 'sub');
  const last = numberOr(args[2], -1);
  const end = last < 0 ? text.length + last + 1 : last;
  return [text.slice(startOf(numberOr(args[1], 1), text.length), Math.max(0, end))];
};

const find: LuaFunction = (args, budget) => {
  const [text, pattern] = [textAt(args, 0, 'find'), textAt(args, 1, 'find')];
  const from = startOf(numberOr(args[2], 1), text.length);
  if (isTrue(args[3])) {
    const at = text.indexOf(pattern, from);
    return at === -1 ? [undefined] : [at + 1, at + pattern.length];
  }
  const match = matchPattern(text, pattern, from, budget);
  return match === undefined ? [undefined] : [match.start + 1, match.end, ...match.captures];
};

const match: LuaFunction = (args, budget) => {
  const text = textAt(args, 0, 'match');
  const from = startOf(numberOr(args[2], 1), text.length);
  const found = matchPattern(text, textAt(args, 1, 'match'), from, budget);
  return found === undefined ? [undefined] : capturesOf(text, found);
};

const gmatch: LuaFunction = (args) => {
  const [text, pattern] = [textAt(args, 0, 'gmatch'), textAt(args, 1, 'gmatch')];
  let at = 0;
  return [
    (_args, budget) => {
      const found = matchPattern(text, pattern, at, budget);
      if (found === undefined) return [undefined];
      at = found.end === found.start ? found.end + 1 : found.end;
      return capturesOf(text, found);
    },
  ];
};

const gsub: LuaFunction = (args, budget) => {
  const [text, pattern] = [textAt(args, 0, 'gsub'), textAt(args, 1, 'gsub')];
  const countMax = numberOr(args[3], Infinity);
  let result = '';
  let at = 0;
  let count = 0;
  while (count < countMax) {
    const found = matchPattern(text, pattern, at, budget);
    if (found === undefined) break;
    count += 1;
    result += text.slice(at, found.start) + replacement(text, found, args[2], budget);
    budget.text(result.length);
    at = found.end;
    if (found.end === found.start) {
      if (at < text.length) result += text[at];
      at += 1;
    }
    if (at > text.length || pattern.startsWith('^')) break;
  }
  return [result + text.slice(at), count];
};

function capturesOf(text: string, { start, end, captures }: PatternMatch): readonly LuaValue[] {
  return captures.length === 0 ? [text.slice(start, end)] : captures;
}

function replacement(text: string, found: PatternMatch, by: LuaValue, budget: LuaBudget): string {
  const whole = text.slice(found.start, found.end);
  const captures = capturesOf(text, found);
  if (typeof by === 'string' || typeof by === 'number') {
    return toText(by).replace(/%(.?)/g, (_, mark: string) => {
      if (mark === '0') return whole;
      return /[1-9]/.test(mark) ? toText(captures[Number(mark) - 1]) : mark;
    });
  }
  let value: LuaValue;
  if (by instanceof LuaTable) value = by.get(captures[0] as string);
  else if (typeof by === 'function') [value] = by(captures, budget);
  else throw new LuaError(`bad argument #3 to 'gsub' (string/function/table expected)`);
  return isTrue(value) ? toText(value) : whole;
}

const rep: LuaFunction = (args, budget) => {
  const text = textAt(args, 0, 'rep');
  const count = Math.max(0, Math.floor(numberOr(args[1], 0)));
  budget.text(text.length * count);
  return [text.repeat(count)];
};

const format: LuaFunction = (args, budget) => {
  let next = 1;
  const text = textAt(args, 0, 'format').replace(
    /%(%|[-+ #0]*\d{0,2}(?:\.\d{0,2})?[a-zA-Z])/g,
    (_, spec: string) => (spec === '%' ? '%' : formatted(spec, args, next++)),
  );
  budget.text(text.length);
  return [text];
};

function formatted(spec: string, args: readonly LuaValue[], index: number): string {
  const parts = /^([-+ #0]*)(\d*)(?:\.(\d*))?([a-zA-Z])$/.exec(spec);
  const [, flags = '', width = '', precision, kind = ''] = parts ?? [];
  const digits = precision === undefined ? undefined : Number(precision);
  const value = args[index];
  let text: string;
  if (kind === 's') text = toText(value).slice(0, digits ?? Infinity);
  else if (kind === 'q') text = JSON.stringify(toText(value));
  else text = formattedNumber(kind, toNumber(value), digits, index);
  if (flags.includes('+') && kind !== 's' && !text.startsWith('-')) text = `+${text}`;
  const length = Number(width);
  if (flags.includes('-')) return text.padEnd(length);
  if (!flags.includes('0') || kind === 's') return text.padStart(length);
  return text.startsWith('-')
    ? `-${text.slice(1).padStart(length - 1, '0')}`
    : text.padStart(length, '0');
}

function formattedNumber(
  kind: string,
  value: number | undefined,
  digits: number | undefined,
  index: number,
): string {
  if (value === undefined) {
    throw new LuaError(`bad argument #${index + 1} to 'format' (number expected)`);
  }
  switch (kind) {
    case 'd':
    case 'i':
    case 'u':
      return String(Math.trunc(value)).padStart(digits ?? 0, '0');
    case 'f':
      return value.toFixed(digits ?? 6);
    case 'e':
      return value.toExponential(digits ?? 6).replace(/e([+-])(\d)$/, 'e$10$2');
    case 'g':
      return digits === undefined
        ? numberText(value)
        : String(Number(value.toPrecision(digits || 1)));
    case 'x':
      return Math.trunc(value).toString(16);
    case 'X':
      return Math.trunc(value).toString(16).toUpperCase();
    case 'o':
      return Math.trunc(value).toString(8);
    case 'c':
      return String.fromCharCode(value);
    default:
      throw new LuaError(`invalid option '%${kind}' to 'format'`);
  }
}

const byte: LuaFunction = (args) => {
  const text = textAt(args, 0, 'byte');
  return [text[startOf(numberOr(args[1], 1), text.length)]?.charCodeAt(0)];
};

export const stringLibrary = LuaTable.of(
  Object.entries<LuaFunction>({
    sub,
    find,
    match,
    gmatch,
    gsub,
    rep,
    format,
    byte,
    char: (args) => [String.fromCharCode(...args.map((value) => numberOr(value, 0)))],
    len: (args) => [Buffer.byteLength(textAt(args, 0, 'len'))],
    lower: (args) => [textAt(args, 0, 'lower').toLowerCase()],
    upper: (args) => [textAt(args, 0, 'upper').toUpperCase()],
    reverse: (args) => [[...textAt(args, 0, 'reverse')].reverse().join('')],
  }),
);
