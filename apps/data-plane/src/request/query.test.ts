import { expect, test } from 'vitest';
import { firstArgument, formatQuery, parseQuery } from './query.ts';

test('parseQuery() tells an argument without value from an empty one', () => {
  expect(parseQuery('a&b=&c=1%202+3&c=%zz')).toEqual([
    { name: 'a', value: undefined },
    { name: 'b', value: '' },
    { name: 'c', value: '1 2 3' },
    { name: 'c', value: '%zz' },
  ]);
});

test('parseQuery() loses none of many', () => {
  expect(parseQuery('a=1&'.repeat(500))).toHaveLength(500);
});

test('formatQuery() is read back as it was', () => {
  const args = [
    { name: 'a b', value: undefined },
    { name: 'ü', value: 'x&y=z' },
  ];
  expect(parseQuery(formatQuery(args))).toEqual(args);
});

test('firstArgument() answers the first one, decoded, and true where there is no value', () => {
  expect(firstArgument('x=a%20b+c&x=2', 'x')).toBe('a b c');
  expect(firstArgument('xy=1', 'x')).toBeUndefined();
  expect(firstArgument('%78=1', 'x')).toBe('1');
  expect([firstArgument('x', 'x'), firstArgument('x=', 'x')]).toEqual(['true', '']);
});
