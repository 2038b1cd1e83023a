import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError, PatternSubjectError } from '../errors.ts';
import { compilePattern } from './compile-pattern.ts';

// pattern, subject, the match and its groups (null: no match)
const matches: readonly (readonly [string, string, readonly (string | undefined)[] | null])[] = [
  ['^/a/(.*)$', '/a/b', ['/a/b', 'b']],
  ['(?P<id>\\d+)-(?<name>\\w+)', 'x 12-ab', ['12-ab', '12', 'ab']],
  ["(?'q'a)b", 'ab', ['ab', 'a']],
  ['(?i)foo', 'xFOO', ['FOO']],
  ['a(?i)b|c', 'C', ['C']],
  ['a(?i:b)c', 'aBC', null],
  ['a(?i:b)c', 'aBc', ['aBc']],
  ['(?i)[^a]', 'A', null],
  ['(?i)k', '\u212a', null],
  ['a.c', 'a\nc', null],
  ['a.c', 'a\rc', ['a\rc']],
  ['(?s)a.c', 'a\nc', ['a\nc']],
  ['(?m)^b$', 'a\nb\nc', ['b']],
  ['^b$', 'a\nb\nc', null],
  ['\\Aab\\z', 'ab', ['ab']],
  ['ab\\Z', 'ab', ['ab']],
  ['[[:alpha:]]+[[:^digit:]]', '1ab-', ['ab-']],
  ['[]a]+', 'x]a', [']a']],
  ['[^]a]+', ']ab', ['b']],
  ['[a-zA-Z0-9-_.]+', '!a-_.', ['a-_.']],
  ['[\\w-]+', 'a-b', ['a-b']],
  ['[a\\d]+', 'b1a', ['1a']],
  ['\\x41\\x{42}\\t', 'AB\t', ['AB\t']],
  ['\\Qa.b\\E+', 'a.bb', ['a.bb']],
  ['a(?#comment)b', 'ab', ['ab']],
  ['(?x) a b # comment', 'ab', ['ab']],
  ['\\bfoo\\B', 'a foox', ['foo']],
  ['\\s', '\u00a0', null],
  ['\\d', '\u0661', null],
  ['x{2,3}', 'xxxx', ['xxx']],
  ['x{2,3}?', 'xxxx', ['xx']],
  ['x{2,}y', 'xxxy', ['xxxy']],
  ['x{0}y', 'xy', ['y']],
  ['x{,2}', 'x{,2}', ['x{,2}']],
  ['(ab|c){1,3}d', 'ababcd', ['ababcd', 'c']],
  ['(a)|b', 'b', ['b', undefined]],
  ['(?<!x)foo', 'xfoo foo', ['foo']],
  ['(?<=/)\\d+', 'a/12', ['12']],
  ['^(?!/admin).*$', '/admin/x', null],
  ['^(?!/admin).*$', '/user', ['/user']],
  ['(\\w)\\1', 'abccd', ['cc', 'c']],
  ['(?P<l>\\w)(?P=l)', 'abccd', ['cc', 'c']],
  ['(?<l>\\w)\\k<l>', 'abccd', ['cc', 'c']],
  ['(a)\\g{-1}', 'aa', ['aa', 'a']],
  ['^😀+$', '😀', ['😀']],
  ['^[a-z]{1,4096}$', 'abc', ['abc']],
];

const refused: readonly (readonly [string, string])[] = [
  ['^b(', 'pcre_compile() failed: missing ) in "^b("'],
  ['a)b', 'pcre_compile() failed: unmatched parentheses in "a)b" at ")b"'],
  ['[a', 'pcre_compile() failed: missing terminating ] for character class in "[a"'],
  ['*a', 'pcre_compile() failed: nothing to repeat in "*a" at "*a"'],
  ['a{3,2}', 'pcre_compile() failed: numbers out of order in {} quantifier in "a{3,2}"'],
  ['a\\', 'pcre_compile() failed: \\ at end of pattern in "a\\"'],
  ['[[:foo:]]', 'pcre_compile() failed: unknown POSIX class name in "[[:foo:]]" at "]"'],
  ['(a)\\2', 'pcre_compile() failed: reference to non-existent subpattern in "(a)\\2"'],
  ['a++', 'pattern "a++" is not supported: possessive quantifiers'],
  ['(?>a)', 'pattern "(?>a)" is not supported: atomic groups'],
  ['(?R)', 'pattern "(?R)" is not supported: recursion'],
  ['(?(1)a)', 'pattern "(?(1)a)" is not supported: conditional groups'],
  ['\\p{L}', 'pattern "\\p{L}" is not supported: \\p'],
  ['[😀]', 'pattern "[😀]" is not supported: characters beyond U+FFFF in a character class'],
  ['((a+)+)\\1', 'pattern "((a+)+)\\1" may take too long: nested quantifiers'],
  ['(?=(?:a|ab)*c)', 'alternatives that begin alike in a loop'],
  ['(?=a*a*a*a*a*a*b)', 'too many quantifiers and alternatives'],
  ['a'.repeat(4097), 'pattern too long, expected at most 4096, got 4097'],
  ['('.repeat(200) + ')'.repeat(200), 'parentheses are too deeply nested'],
];

describe('compilePattern', () => {
  test.each(matches)('%j on %j gives %j', (source, subject, expected) => {
    const pattern = compilePattern(source);
    const match = pattern.exec(subject);
    expect(match === null ? null : [...match]).toEqual(expected);
    expect(pattern.test(subject)).toBe(expected !== null);
  });

  test.each(refused)('refuses %j: %s', (source, message) => {
    expect(() => compilePattern(source)).toThrow(ConfigError);
    expect(() => compilePattern(source)).toThrow(message);
  });

  test('names the groups of a match', () => {
    const match = compilePattern('(?P<year>\\d{4})-(?<month>\\d\\d)?').exec('on 2024-');
    expect({ ...match?.groups }).toEqual({ year: '2024' });
    expect(match?.index).toBe(3);
  });

  test('folds ASCII letters when told to', () => {
    expect(compilePattern('^[a-f]é$', { caseInsensitive: true }).test('Cé')).toBe(true);
    expect(compilePattern('^é$', { caseInsensitive: true }).test('É')).toBe(false);
    expect(compilePattern('^[a-f]$').test('C')).toBe(false);
  });

  test('keeps its answer from one call to the next', () => {
    const pattern = compilePattern('a');
    expect([pattern.test('a'), pattern.test('a'), pattern.test('ba')]).toEqual([true, true, true]);
  });

  test('refuses subjects that it could not finish in bounded time', () => {
    const pattern = compilePattern('^(?!x).*$');
    const subject = 'a'.repeat(pattern.subjectCharsMax + 1);
    expect(() => pattern.test(subject)).toThrow(PatternSubjectError);
    expect(pattern.test(subject.slice(1))).toBe(true);
  });
});

describe('Pattern', () => {
  test.each([
    ['^/old/(.*)', '/old/a', '/new/$1', '/new/a'],
    ['^/old/(?<rest>.*)', '/old/a', '/new/${rest}?$0', '/new/a?/old/a'],
    ['(\\d)(\\d)', '12 34', '${2}$1', '21 34'],
    ['a', 'aa', '$$1', '$1a'],
    ['(a)|b', 'b', '[$1]', '[]'],
    ['a', 'a', '$x $', '$x $'],
    ['a', 'a', '${constructor}$9', ''],
    ['z', 'abc', 'x', 'abc'],
  ])('replaceFirst of %j in %j by %j gives %j', (source, subject, replacement, expected) => {
    expect(compilePattern(source).replaceFirst(subject, replacement)).toBe(expected);
  });

  test.each([
    ['\\d', 'a1b2', '<$0>', 'a<1>b<2>'],
    ['', 'ab', '-', '-a-b-'],
    ['x*', 'axb', '-', '-a--b-'],
    ['^a', 'aaa', 'b', 'baa'],
    ['(?<!a)b', 'abbb', 'c', 'abcc'],
  ])('replaceAll of %j in %j by %j gives %j', (source, subject, replacement, expected) => {
    expect(compilePattern(source).replaceAll(subject, replacement)).toBe(expected);
  });

  test('replaceAll gives up when matches are many and each is slow', () => {
    const pattern = compilePattern('(?s).*b|a');
    expect(() => pattern.replaceAll('a'.repeat(100_000), '')).toThrow(PatternSubjectError);
  });
});

// Runs where it can be stopped from outside, should it not end.
async function runInWorker(source: string, subject: string): Promise<unknown> {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.url).then(({ compilePattern }) => {
      parentPort.postMessage(compilePattern(workerData.source).test(workerData.subject));
    });`;
  const url = new URL('./compile-pattern.ts', import.meta.url).href;
  const worker = new Worker(code, { eval: true, workerData: { url, source, subject } });
  try {
    return await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      setTimeout(() => reject(new Error('still running')), 20_000).unref();
    });
  } finally {
    await worker.terminate();
  }
}

describe('a pattern that would backtrack without end comes to one, in a worker thread too', () => {
  test.each([
    ['(a+)+$', `${'a'.repeat(50)}!`],
    ['(a+)+$', `${'a'.repeat(100_000)}!`],
    ['(a|aa)+$', `${'a'.repeat(60)}!`],
    ['^(a|a?)+$', `${'a'.repeat(60)}!`],
    ['^(\\w+\\s?)*$', `${'a'.repeat(60)}!`],
    [`^${'a?'.repeat(60)}${'a'.repeat(60)}$`, 'a'.repeat(59)],
    ['.*a.*b.*c', 'a'.repeat(100_000)],
    [`${'(.*)'.repeat(9)}[^0]$`, '0'.repeat(8000)],
    ['^(?=.*\\d)(?=.*[a-z]).{8,}!$', 'a'.repeat(1000)],
    ['(\\w+)-\\1!', 'a'.repeat(2000)],
  ])('%j', async (source, subject) => {
    expect(await runInWorker(source, subject)).toBe(false);
  });
});

// Patterns that mean the same to PCRE and to JavaScript.
const plainPattern = fc.letrec<{ one: string; sequence: string; either: string }>((tie) => ({
  one: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'one' },
    fc.constantFrom('a', 'b', 'c', '[ab]', '[^a]', '[a-c]', '\\w', '\\.', '\\b'),
    fc
      .tuple(
        tie('either'),
        fc.constantFrom('', '*', '+', '?', '*?', '+?', '{2}', '{1,2}', '{0,3}?', '{2,}'),
      )
      .map(([body, quantifier]) => `(?:${body})${quantifier}`),
  ),
  sequence: fc.array(tie('one'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('')),
  either: fc.array(tie('sequence'), { minLength: 1, maxLength: 2 }).map((all) => all.join('|')),
})).either;

const subjects = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '.', 'B'), maxLength: 9 });

describe('compilePattern, for any safe pattern,', () => {
  test('finds what RegExp finds', () => {
    fc.assert(
      fc.property(plainPattern, fc.boolean(), subjects, (body, anchored, subject) => {
        const source = anchored ? `^(?:${body})$` : body;
        const expected = new RegExp(source).exec(subject);
        const match = compilePattern(source).exec(subject);
        expect([match?.index, match?.[0]]).toEqual([expected?.index, expected?.[0]]);
      }),
      { numRuns: 2000 },
    );
  });

  test('folds case as RegExp does', () => {
    fc.assert(
      fc.property(plainPattern, subjects, (source, subject) => {
        const expected = new RegExp(source, 'i').test(subject);
        expect(compilePattern(source, { caseInsensitive: true }).test(subject)).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });

  test('replaces as RegExp does', () => {
    fc.assert(
      fc.property(plainPattern, subjects, (source, subject) => {
        const expected = subject.replaceAll(new RegExp(source, 'g'), '<$&>');
        expect(compilePattern(source).replaceAll(subject, '<$0>')).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });

  test('either compiles or throws a ConfigError, whatever the text', () => {
    const noise = fc.string({
      unit: fc.constantFrom(..."ab()[]{}*+?|\\^$.-:<>=!,019P#xdwkgQE'".split('')),
      maxLength: 20,
    });
    fc.assert(
      fc.property(noise, subjects, (source, subject) => {
        try {
          compilePattern(source).exec(subject);
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
