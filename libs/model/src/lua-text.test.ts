import { expect, test } from 'vitest';
import { charCount, luaNumber, luaQuote, luaToNumber, luaType } from './lua-text.ts';

test.each([
  [0, '0'],
  [-0, '-0'],
  [100_000, '100000'],
  [99_999_999_999_999, '99999999999999'],
  [1e14, '1e+14'],
  [1.5, '1.5'],
  [1 / 3, '0.33333333333333'],
  [1e-5, '1e-05'],
  [0.0001, '0.0001'],
  [-12.25, '-12.25'],
  [1e100, '1e+100'],
  [Infinity, 'inf'],
])('luaNumber writes %d as %s', (value, text) => {
  expect(luaNumber(value)).toBe(text);
});

test.each([
  ['a"b', '"a\\"b"'],
  ['a\\b', '"a\\\\b"'],
  ['a\nb', '"a\\\nb"'],
  ['a\tb', '"a\\9b"'],
  ['a\t1', '"a\\0091"'],
  ['\r\0', '"\\13\\0"'],
])('luaQuote writes %j as %s', (text, quoted) => {
  expect(luaQuote(text)).toBe(quoted);
});

test.each([
  ['10', 10],
  [' 1.5 ', 1.5],
  ['0x10', 16],
  ['-0x1', -1],
  ['1e3', 1000],
  ['', undefined],
  ['1a', undefined],
  ['1 2', undefined],
  ['0b1', undefined],
  [true, undefined],
])('luaToNumber reads %j as %j', (text, number) => {
  expect(luaToNumber(text)).toBe(number);
});

test('luaType names the types as Lua does', () => {
  expect([undefined, null, [], {}, 'a', 1, true].map(luaType)).toEqual([
    'nil',
    'userdata',
    'table',
    'table',
    'string',
    'number',
    'boolean',
  ]);
});

test('charCount counts code points', () => {
  expect(charCount('a😀ä')).toBe(3);
  expect(charCount('\ud800a')).toBe(2);
});
