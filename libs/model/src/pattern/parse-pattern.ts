import {
  ANY_CHAR,
  ESCAPED_SETS,
  NOT_NEWLINE,
  singleChar,
  withBothCases,
  type CharSet,
} from './char-set.ts';
import { parseClass } from './parse-class.ts';
import { parseCharEscape } from './parse-escape.ts';
import type { ParsedPattern, PatternNode } from './pattern-node.ts';
import { PatternSource } from './pattern-source.ts';

interface Flags {
  ignoreCase: boolean;
  dotAll: boolean;
  multiline: boolean;
  extended: boolean;
}

interface Parse {
  readonly source: PatternSource;
  readonly names: Map<string, number>;
  readonly backrefs: (number | string)[];
  groupCount: number;
  depth: number;
}

const NESTING_MAX = 100;
const REPEAT_MAX = 65_535;
const COUNTED = /\{(\d{1,6})(?:(,)(\d{0,6}))?\}/y;
const FLAG_GROUP = /\?([a-zA-Z]*)(?:-([a-zA-Z]*))?([):])/y;
const NAMED_GROUP = /\?(?:P?<([A-Za-z_]\w{0,31})>|'([A-Za-z_]\w{0,31})')/y;
const NUMBERED_REFERENCE = /g\{(-?\d{1,3})\}|g(-?\d{1,3})|([1-9]\d{0,2})/y;
const NAMED_REFERENCE = /[kg](?:<(\w{1,32})>|\{(\w{1,32})\}|'(\w{1,32})')/y;

const LOOKS: readonly (readonly [
  string,
  { readonly behind: boolean; readonly negated: boolean },
])[] = [
  ['?=', { behind: false, negated: false }],
  ['?!', { behind: false, negated: true }],
  ['?<=', { behind: true, negated: false }],
  ['?<!', { behind: true, negated: true }],
];

const REFUSED: readonly (readonly [RegExp, string])[] = [
  [/\?>/y, 'atomic groups'],
  [/\?\|/y, 'branch reset groups'],
  [/\?\(/y, 'conditional groups'],
  [/\?(?:R|[-+]?\d|&|P>)/y, 'recursion'],
  [/\?C/y, 'callouts'],
  [/\*/y, 'control verbs'],
];

/** Reads a Perl-compatible pattern. Throws ConfigError for bad syntax and for what we refuse. */
export function parsePattern(text: string, ignoreCase: boolean): ParsedPattern {
  const source = new PatternSource(withoutQuotes(text));
  const parse: Parse = { source, names: new Map(), backrefs: [], groupCount: 0, depth: 0 };
  const root = parseEither(parse, {
    ignoreCase,
    dotAll: false,
    multiline: false,
    extended: false,
  });
  if (!source.done) throw source.error('unmatched parentheses');
  for (const reference of parse.backrefs) {
    const known =
      typeof reference === 'number' ? reference <= parse.groupCount : parse.names.has(reference);
    if (!known) throw source.error('reference to non-existent subpattern');
  }
  return { root, groupCount: parse.groupCount, names: parse.names };
}

// An inline flag, as `(?i)`, holds to the end of its group, over the bars that follow.
function parseEither(parse: Parse, flags: Flags): PatternNode {
  parse.depth += 1;
  if (parse.depth > NESTING_MAX) throw parse.source.error('parentheses are too deeply nested');
  const options = [parseSequence(parse, flags)];
  while (parse.source.take('|')) options.push(parseSequence(parse, flags));
  parse.depth -= 1;
  const [only] = options;
  return options.length === 1 && only !== undefined ? only : { kind: 'either', options };
}

function parseSequence(parse: Parse, flags: Flags): PatternNode {
  const { source } = parse;
  const items: PatternNode[] = [];
  while (!source.done && source.peek() !== '|' && source.peek() !== ')') {
    if (flags.extended && source.match(/\s+|#[^\n]*\n?/y) !== undefined) continue;
    const atom = parseAtom(parse, flags);
    if (atom === undefined) continue;
    const quantified = parseQuantifier(source, flags);
    items.push(quantified === undefined ? atom : { kind: 'repeat', ...quantified, body: atom });
  }
  const [only] = items;
  return items.length === 1 && only !== undefined ? only : { kind: 'sequence', items };
}

function parseQuantifier(
  source: PatternSource,
  flags: Flags,
): { min: number; max: number; lazy: boolean } | undefined {
  if (flags.extended) source.match(/\s+/y);
  const bounds = parseBounds(source);
  if (bounds === undefined) return undefined;
  if (source.peek() === '+') throw source.unsupported('possessive quantifiers');
  return { ...bounds, lazy: source.take('?') };
}

function parseBounds(source: PatternSource): { min: number; max: number } | undefined {
  if (source.take('*')) return { min: 0, max: Infinity };
  if (source.take('+')) return { min: 1, max: Infinity };
  if (source.take('?')) return { min: 0, max: 1 };
  const counted = source.match(COUNTED);
  if (counted === undefined) return undefined;
  const min = Number(counted[1]);
  const upper = counted[3] === '' ? Infinity : Number(counted[3]);
  const max = counted[2] === undefined ? min : upper;
  if (min > REPEAT_MAX || (max !== Infinity && max > REPEAT_MAX)) {
    throw source.error('number too big in {} quantifier');
  }
  if (max < min) throw source.error('numbers out of order in {} quantifier');
  return { min, max };
}

/** One atom; undefined for a comment or a change of flags. */
function parseAtom(parse: Parse, flags: Flags): PatternNode | undefined {
  const { source } = parse;
  if ('*+?'.includes(source.peek())) throw source.error('nothing to repeat');
  const char = source.next();
  switch (char) {
    case '(':
      return parseGroup(parse, flags);
    case '[':
      return { kind: 'chars', set: parseClass(source, flags.ignoreCase) };
    case '\\':
      return parseEscape(parse, flags);
    case '.':
      return { kind: 'chars', set: flags.dotAll ? ANY_CHAR : NOT_NEWLINE };
    case '^':
      return { kind: 'edge', at: 'start', multiline: flags.multiline };
    case '$':
      return { kind: 'edge', at: 'end', multiline: flags.multiline };
    default:
      return literal(source, char, flags);
  }
}

function literal(source: PatternSource, char: string, flags: Flags): PatternNode {
  const code = char.charCodeAt(0);
  const isPair = code >= 0xd800 && code <= 0xdbff && !source.done;
  if (!isPair) return oneChar(singleChar(code), flags);
  const low = source.next().charCodeAt(0);
  return {
    kind: 'sequence',
    items: [code, low].map((unit) => ({ kind: 'chars', set: singleChar(unit) })),
  };
}

function oneChar(set: CharSet, flags: Flags): PatternNode {
  return { kind: 'chars', set: flags.ignoreCase ? withBothCases(set) : set };
}

function parseEscape(parse: Parse, flags: Flags): PatternNode | undefined {
  const { source } = parse;
  const set = ESCAPED_SETS[source.peek()];
  if (set !== undefined) {
    source.next();
    return { kind: 'chars', set };
  }
  if (source.take('b')) return { kind: 'word-edge', negated: false };
  if (source.take('B')) return { kind: 'word-edge', negated: true };
  if (source.take('A')) return { kind: 'edge', at: 'start', multiline: false };
  if (source.take('z') || source.take('Z')) return { kind: 'edge', at: 'end', multiline: false };
  if (source.take('E')) return undefined;
  if (source.peek() !== '' && 'GKCXRpP'.includes(source.peek())) {
    throw source.unsupported(`\\${source.peek()}`);
  }
  return parseReference(parse) ?? oneChar(singleChar(parseCharEscape(source, false)), flags);
}

const QUOTED = /\\(?:Q([^]*?)(?:\\E|$)|[^])/g;

// `\Q…\E`: each character in it stands for itself.
function withoutQuotes(text: string): string {
  return text.replaceAll(QUOTED, (escape, quoted: string | undefined) =>
    quoted === undefined ? escape : quoted.replaceAll(/[^A-Za-z0-9]/g, '\\$&'),
  );
}

function parseReference(parse: Parse): PatternNode | undefined {
  const { source } = parse;
  const numbered = source.match(NUMBERED_REFERENCE);
  if (numbered !== undefined) {
    const number = Number(numbered[1] ?? numbered[2] ?? numbered[3]);
    return backref(parse, number < 0 ? parse.groupCount + 1 + number : number);
  }
  const named = source.match(NAMED_REFERENCE);
  if (named === undefined) return undefined;
  return backref(parse, named[1] ?? named[2] ?? named[3] ?? '');
}

function backref(parse: Parse, target: number | string): PatternNode {
  parse.backrefs.push(target);
  const index = typeof target === 'number' ? target : parse.names.get(target);
  if (index === undefined || index < 1) {
    throw parse.source.error('reference to non-existent subpattern');
  }
  return { kind: 'backref', index };
}

/** Reads a group after its `(`. */
function parseGroup(parse: Parse, flags: Flags): PatternNode | undefined {
  const { source } = parse;
  if (source.take('?#')) {
    source.until(')');
    return undefined;
  }
  const refused = REFUSED.find(([syntax]) => source.match(syntax) !== undefined);
  if (refused !== undefined) throw source.unsupported(refused[1]);
  const look = LOOKS.find(([prefix]) => source.take(prefix));
  if (look !== undefined) return { kind: 'look', ...look[1], body: parseBody(parse, flags) };
  const reference = source.match(/\?P=(\w{1,32})\)/y);
  if (reference !== undefined) return backref(parse, reference[1] ?? '');
  const named = source.match(NAMED_GROUP);
  if (named !== undefined) return capture(parse, flags, named[1] ?? named[2]);
  const flagged = source.match(FLAG_GROUP);
  if (flagged === undefined) {
    if (source.peek() === '?') throw source.error('unrecognized character after (? or (?-');
    return capture(parse, flags, undefined);
  }
  const changed = changeFlags(source, flags, flagged[1] ?? '', flagged[2] ?? '');
  if (flagged[3] === ':') return parseBody(parse, changed);
  Object.assign(flags, changed);
  return undefined;
}

function capture(parse: Parse, flags: Flags, name: string | undefined): PatternNode {
  parse.groupCount += 1;
  const index = parse.groupCount;
  if (name !== undefined) {
    if (parse.names.has(name)) {
      throw parse.source.error('two named subpatterns have the same name');
    }
    parse.names.set(name, index);
  }
  return { kind: 'group', index, body: parseBody(parse, flags) };
}

function parseBody(parse: Parse, flags: Flags): PatternNode {
  const body = parseEither(parse, { ...flags });
  if (!parse.source.take(')')) throw parse.source.error('missing )');
  return body;
}

function changeFlags(source: PatternSource, flags: Flags, on: string, off: string): Flags {
  const changed = { ...flags };
  for (const [letters, value] of [
    [on, true],
    [off, false],
  ] as const) {
    for (const letter of letters) {
      if (letter === 'i') changed.ignoreCase = value;
      else if (letter === 's') changed.dotAll = value;
      else if (letter === 'm') changed.multiline = value;
      else if (letter === 'x') changed.extended = value;
      else throw source.unsupported(`the flag ${letter}`);
    }
  }
  return changed;
}
