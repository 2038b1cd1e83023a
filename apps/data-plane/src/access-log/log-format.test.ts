import { describe, expect, test } from 'vitest';
import { compileLogFormat, type LogEscape } from './log-format.ts';

const vars = (values: Record<string, string>) => ({
  get: (name: string) => values[name],
  set: () => undefined,
});
const line = (format: string, values: Record<string, string>, escape: LogEscape = 'default') =>
  compileLogFormat(format, escape)(vars(values));

describe('a log format', () => {
  test('puts variables in the place of their names', () => {
    expect(line('$a - [$b] "${c}d"$a', { a: '1', b: '2', c: '3' })).toBe('1 - [2] "3d"1\n');
  });

  test('may have no variable at all, or nothing else', () => {
    expect(line('fixed', {})).toBe('fixed\n');
    expect(line('', {})).toBe('\n');
    expect(line('$a$b', { a: '1', b: '2' })).toBe('12\n');
  });

  test('ends a name where nginx does', () => {
    expect(line('$a.b-$a', { a: '1' })).toBe('1.b-1\n');
    expect(line('${a}_b $a_b', { a: '1', a_b: '2' })).toBe('1_b 2\n');
  });

  test('reads backslashes as the quotes of nginx do', () => {
    expect(line('a\\tb\\"\\\\\\x', {})).toBe('a\tb"\\\\x\n');
  });

  test.each(['$', 'a $ b', '${}', '${a', '$-'])('refuses %j', (format) => {
    expect(() => compileLogFormat(format, 'default')).toThrow(/variable/);
  });
});

describe('a value in the log', () => {
  test.each<[LogEscape, string]>([
    ['default', '-||-'],
    ['json', '||'],
    ['none', '||'],
  ])('that is not there is written as it is in nginx with escape=%s', (escape, expected) => {
    expect(line('$none|$empty|$none', { empty: '' }, escape)).toBe(`${expected}\n`);
  });

  test('cannot end a line or a quoted text', () => {
    const value = 'a"b\\c\n\r\x00\x1f\x7f d';
    expect(line('$v', { v: value })).toBe('a\\x22b\\x5Cc\\x0A\\x0D\\x00\\x1F\\x7F d\n');
    expect(line('$v', { v: value }, 'json')).toBe('a\\"b\\\\c\\n\\r\\u0000\\u001F\x7f d\n');
    expect(line('$v', { v: value }, 'none')).toBe(`${value}\n`);
  });

  test('is bytes with escape=default, whether it came over the wire or not', () => {
    const wire = Buffer.from('é日').toString('latin1');
    const expected = '\\xC3\\xA9\\xE6\\x97\\xA5\n';
    expect(line('$v', { v: wire })).toBe(expected);
    expect(line('$v', { v: 'é日' })).toBe(expected);
  });

  test('is text with escape=json, which is JSON whatever a client sends', () => {
    const every = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('');
    const logged = line('{"v":"$v"}', { v: every }, 'json');
    expect(JSON.parse(logged)).toEqual({ v: every });
    const wire = Buffer.from('é').toString('latin1');
    expect(JSON.parse(line('"$v"', { v: wire }, 'json'))).toBe('é');
  });
});
