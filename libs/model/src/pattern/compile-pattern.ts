import { ConfigError, PatternSubjectError } from '../errors.ts';
import { backtrackingCost, type CostRefusal } from './backtracking-cost.ts';
import { emitPattern, type EmittedPattern } from './emit-pattern.ts';
import { backtrackingRunner, linearRunner, type RegExpRunner } from './linear-engine.ts';
import { parsePattern } from './parse-pattern.ts';
import type { ParsedPattern } from './pattern-node.ts';
import { fillReplacement, parseReplacement } from './replacement.ts';

/**
 * A regular expression of the configuration that cannot hold up the event loop. Each function
 * throws PatternSubjectError for a subject of more than `subjectCharsMax` UTF-16 units.
 * `replaceAll` throws it also when it has run for 250 ms.
 */
export interface Pattern {
  readonly source: string;
  readonly subjectCharsMax: number;
  test(subject: string): boolean;
  exec(subject: string): RegExpExecArray | null;
  /** As ngx.re.sub: `$1`, `${1}`, `${name}`, `$0`, `$$`. */
  replaceFirst(subject: string, replacement: string): string;
  /** As ngx.re.gsub. */
  replaceAll(subject: string, replacement: string): string;
}

export interface PatternOptions {
  readonly caseInsensitive?: boolean;
}

const SOURCE_CHARS_MAX = 4096;
const SUBJECT_CHARS_MAX = 1_048_576;
const LINEAR_SUBJECT_CHARS_MIN = 2048;
// Up to 100 ns each in the linear engine, when every part of the pattern is alive at once; 1 ns in
// the other.
const LINEAR_STEPS_MAX = 2_097_152;
const BACKTRACKING_STEPS_MAX = 67_108_864;
const BACKTRACKING_SUBJECT_CHARS_MAX = 65_536;
const BACKTRACKING_SUBJECT_CHARS_MIN = 256;
// A few milliseconds: where both engines can run a pattern, the backtracking one gets no more.
const FAST_STEPS_MAX = 4_194_304;
const CACHED_MAX = 2000;
// Each match is bounded, their number is not: `.*b|a` reads to the end of the text for each `a`.
const REPLACE_ALL_MS_MAX = 250;
const MATCHES_BETWEEN_LOOKS = 64;

const cache = new Map<string, Pattern>();

/**
 * Compiles a Perl-compatible regular expression of at most 4096 characters. Its `\d \w \s` and
 * its case folding are ASCII, as in nginx; `$`, `\Z` and `\z` match at the very end only.
 * Patterns run in time linear in the subject; those that cannot (lookahead, back references,
 * counts in the thousands) are taken if they have no nested quantifiers and no loops over
 * alternatives that begin alike, and then for shorter subjects. Refused: possessive quantifiers,
 * atomic groups, recursion, conditions, `\p`, `\K`, `\G`.
 * Throws ConfigError; for bad syntax in the words of nginx (`pcre_compile() failed: …`).
 */
export function compilePattern(source: string, options?: PatternOptions): Pattern {
  if (typeof source !== 'string') throw new ConfigError('pattern should be a string');
  if (source.length > SOURCE_CHARS_MAX) {
    throw new ConfigError(
      `pattern too long, expected at most ${SOURCE_CHARS_MAX}, got ${source.length}`,
    );
  }
  const caseInsensitive = options?.caseInsensitive === true;
  const key = `${caseInsensitive ? 'i' : '-'}${source}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const pattern = build(source, caseInsensitive);
  if (cache.size >= CACHED_MAX) cache.clear();
  cache.set(key, pattern);
  return pattern;
}

interface Engine {
  readonly runner: RegExpRunner;
  readonly emitted: EmittedPattern;
  readonly subjectCharsMax: number;
}

function build(source: string, caseInsensitive: boolean): Pattern {
  const parsed = parsePattern(source, caseInsensitive);
  const engine = linearEngine(parsed) ?? backtrackingEngine(parsed, source);
  const { runner, subjectCharsMax } = engine;
  const guard = (subject: string): void => {
    if (subject.length > subjectCharsMax) {
      throw new PatternSubjectError(source, subject.length, subjectCharsMax);
    }
  };
  const originalGroups = groupMapper(parsed, engine.emitted);
  const execFrom = (subject: string, from: number): RegExpExecArray | null => {
    const match = runner.exec(subject, from);
    return match === null ? null : originalGroups(match);
  };
  return {
    source,
    subjectCharsMax,
    test(subject) {
      guard(subject);
      return runner.test(subject);
    },
    exec(subject) {
      guard(subject);
      return execFrom(subject, 0);
    },
    replaceFirst(subject, replacement) {
      guard(subject);
      return replace(execFrom, subject, replacement, 1);
    },
    replaceAll(subject, replacement) {
      guard(subject);
      return replace(execFrom, subject, replacement, Infinity);
    },
  };
}

function linearEngine(parsed: ParsedPattern): Engine | undefined {
  const emitted = emitPattern(parsed.root, parsed.groupCount, true);
  if (emitted === undefined || linearSubjectCharsMax(emitted) < LINEAR_SUBJECT_CHARS_MIN) {
    return undefined;
  }
  const linear = linearRunner(emitted.source);
  if (linear === undefined) return undefined;
  const subjectCharsMax = Math.min(SUBJECT_CHARS_MAX, linearSubjectCharsMax(emitted));
  return { runner: quickerRunner(parsed, emitted, linear), emitted, subjectCharsMax };
}

// The engine carries the captures of each place in the pattern along.
function linearSubjectCharsMax(emitted: EmittedPattern): number {
  const groups = emitted.captures.reduce((count, copies) => count + copies.length, 0);
  return Math.floor(LINEAR_STEPS_MAX / (emitted.size * (1 + groups / 32)));
}

// Short subjects go to the backtracking engine where its cost is known to stay small.
function quickerRunner(
  parsed: ParsedPattern,
  emitted: EmittedPattern,
  linear: RegExpRunner,
): RegExpRunner {
  const fastCharsMax = affordableChars(parsed, FAST_STEPS_MAX);
  if (typeof fastCharsMax === 'string' || fastCharsMax < 1) return linear;
  const fast = backtrackingRunner(emitted.source);
  if (fast === undefined) return linear;
  return {
    exec: (subject, from) => (subject.length <= fastCharsMax ? fast : linear).exec(subject, from),
    test: (subject) => (subject.length <= fastCharsMax ? fast : linear).test(subject),
  };
}

function backtrackingEngine(parsed: ParsedPattern, source: string): Engine {
  const refuse = (reason: string): ConfigError =>
    new ConfigError(`pattern "${source}" may take too long: ${reason}`);
  const emitted = emitPattern(parsed.root, parsed.groupCount, false);
  if (emitted === undefined) throw refuse('too large');
  const affordable = affordableChars(parsed, BACKTRACKING_STEPS_MAX);
  if (typeof affordable === 'string') throw refuse(affordable);
  if (affordable < BACKTRACKING_SUBJECT_CHARS_MIN) {
    throw refuse('too many quantifiers and alternatives');
  }
  const runner = backtrackingRunner(emitted.source);
  if (runner === undefined) throw refuse('too large');
  return { runner, emitted, subjectCharsMax: Math.min(BACKTRACKING_SUBJECT_CHARS_MAX, affordable) };
}

/** The longest subject that the backtracking engine can finish within a number of steps. */
function affordableChars(parsed: ParsedPattern, stepsMax: number): number | CostRefusal {
  const cost = backtrackingCost(parsed.root);
  if (typeof cost === 'string') return cost;
  return Math.floor((stepsMax / cost.work) ** (1 / Math.max(1, cost.degree)));
}

// Written-out repetitions have more groups than the original; the last that took part counts.
function groupMapper(
  parsed: ParsedPattern,
  emitted: EmittedPattern,
): (match: RegExpExecArray) => RegExpExecArray {
  const { captures } = emitted;
  const same = captures.every((groups, i) => i === 0 || (groups.length === 1 && groups[0] === i));
  if (same && parsed.names.size === 0) return (match) => match;
  return (match) => {
    const values = captures.map((groups, i) =>
      i === 0 ? match[0] : lastDefined(groups.map((group) => match[group])),
    );
    const groups = Object.create(null) as Record<string, string>;
    for (const [name, index] of parsed.names) {
      const value = values[index];
      if (value !== undefined) groups[name] = value;
    }
    const mapped = values as RegExpExecArray;
    mapped.index = match.index;
    mapped.input = match.input;
    mapped.groups = groups;
    return mapped;
  };
}

function lastDefined(values: readonly (string | undefined)[]): string | undefined {
  return values.findLast((value) => value !== undefined);
}

function replace(
  execFrom: (subject: string, from: number) => RegExpExecArray | null,
  subject: string,
  replacement: string,
  countMax: number,
): string {
  const parts = parseReplacement(replacement);
  let result = '';
  let copied = 0;
  let from = 0;
  const deadline = performance.now() + REPLACE_ALL_MS_MAX;
  for (let count = 0; count < countMax && from <= subject.length; count += 1) {
    const match = execFrom(subject, from);
    if (match === null) break;
    if (count % MATCHES_BETWEEN_LOOKS === 0 && performance.now() > deadline) {
      throw new PatternSubjectError(match[0], subject.length, from);
    }
    const end = match.index + match[0].length;
    result += subject.slice(copied, match.index) + fillReplacement(parts, match);
    copied = end;
    // an empty match would be found again and again
    from = match[0] === '' ? end + 1 : end;
  }
  return result + subject.slice(copied);
}
