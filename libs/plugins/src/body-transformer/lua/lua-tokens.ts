/** A template that is no Lua. */
export class LuaSyntaxError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'LuaSyntaxError';
  }
}

/** Lua that is right, and more than is run here. */
export class UnsupportedLuaError extends Error {
  constructor(what: string) {
    super(what);
    this.name = 'UnsupportedLuaError';
  }
}

export type Token =
  | { readonly kind: 'name' | 'word' | 'symbol'; readonly text: string }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  /** Of the template: what is not Lua. */
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'output'; readonly tokens: readonly Token[]; readonly isEscaped: boolean };

const WORDS: ReadonlySet<string> = new Set(
  (
    'and break do else elseif end false for function goto if in local nil not or repeat return then ' +
    'true until while'
  ).split(' '),
);
const SYMBOLS = /\.\.\.|\.\.|==|~=|<=|>=|[-+*/%^#<>=(){}[\];:,.]/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;
const SPACE = /\s+/y;
const LONG_OPEN = /\[(=*)\[\r?\n?/y;

/** Splits Lua into tokens. Throws a LuaSyntaxError. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(source)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  while (at < source.length) {
    if (take(SPACE) !== undefined) continue;
    if (source.startsWith('--', at)) {
      at = endOfComment(source, at + 2);
      continue;
    }
    const name = take(NAME);
    if (name !== undefined) {
      tokens.push({ kind: WORDS.has(name) ? 'word' : 'name', text: name });
      continue;
    }
    const number = take(NUMBER);
    if (number !== undefined) {
      tokens.push({ kind: 'number', value: Number(number) });
      continue;
    }
    const quoted = quotedText(source, at) ?? longText(source, at);
    if (quoted !== undefined) {
      tokens.push({ kind: 'string', value: quoted.value });
      at = quoted.end;
      continue;
    }
    const symbol = take(SYMBOLS);
    if (symbol === undefined) throw unexpected(source.slice(at, at + 1));
    tokens.push({ kind: 'symbol', text: symbol });
  }
  return tokens;
}

export function unexpected(near: string): LuaSyntaxError {
  return new LuaSyntaxError(`unexpected symbol near '${near}'`);
}

interface Quoted {
  readonly value: string;
  readonly end: number;
}

function endOfComment(source: string, at: number): number {
  const long = longText(source, at);
  if (long !== undefined) return long.end;
  const newline = source.indexOf('\n', at);
  return newline === -1 ? source.length : newline + 1;
}

function longText(source: string, at: number): Quoted | undefined {
  LONG_OPEN.lastIndex = at;
  const open = LONG_OPEN.exec(source);
  if (open === null) return undefined;
  const close = `]${open[1] ?? ''}]`;
  const start = at + open[0].length;
  const end = source.indexOf(close, start);
  if (end === -1) throw new LuaSyntaxError("unfinished long string near '<eof>'");
  return { value: source.slice(start, end), end: end + close.length };
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

function quotedText(source: string, start: number): Quoted | undefined {
  const quote = source[start];
  if (quote !== '"' && quote !== "'") return undefined;
  let value = '';
  let at = start + 1;
  while (at < source.length && source[at] !== quote) {
    if (source[at] === '\n') break;
    if (source[at] !== '\\') {
      value += source[at++];
      continue;
    }
    const decimal = /^\d{1,3}/.exec(source.slice(at + 1, at + 4))?.[0];
    const hexadecimal = /^x[0-9a-fA-F]{2}/.exec(source.slice(at + 1, at + 4))?.[0];
    if (decimal !== undefined) value += String.fromCharCode(Number(decimal));
    else if (hexadecimal !== undefined)
      value += String.fromCharCode(parseInt(hexadecimal.slice(1), 16));
    else value += ESCAPES[source[at + 1] ?? ''] ?? source[at + 1] ?? '';
    at += 1 + (decimal ?? hexadecimal ?? ' ').length;
  }
  if (source[at] !== quote) throw new LuaSyntaxError(`unfinished string near '${value}'`);
  return { value, end: at + 1 };
}
