import { expect, test } from 'vitest';
import { comparableName, SniIndex } from './sni-index.ts';
import type { Named } from './sni-index.ts';

interface Entry extends Named {
  readonly id: string;
}
const one = (id: string, sni: string): Entry => ({ id, names: [sni], isList: false });
const list = (id: string, ...snis: readonly string[]): Entry => ({ id, names: snis, isList: true });
const finder =
  (...entries: readonly Entry[]) =>
  (name: string) =>
    new SniIndex(entries).find(name)?.id;

test('an exact name goes before a wildcard', () => {
  const find = finder(one('wild', '*.test.com'), one('exact', 'a.test.com'));
  expect([find('a.test.com'), find('b.test.com')]).toEqual(['exact', 'wild']);
});

test('a wildcard stands for one label', () => {
  const find = finder(one('wild', '*.test2.com'));
  expect(find('www.test2.com')).toBe('wild');
  expect(find('aa.bb.test2.com')).toBeUndefined();
  expect(find('test2.com')).toBeUndefined();
});

test('a list has each of its names, and none that has more labels than they', () => {
  const find = finder(list('list', 'test2.com', '*.test2.com', 'x.very.long.name.test'));
  expect([find('test2.com'), find('www.test2.com')]).toEqual(['list', 'list']);
  expect(find('aa.bb.test2.com')).toBeUndefined();
});

test('the wildcard with the longest fixed part decides alone', () => {
  const find = finder(one('all', '*'), one('outer', '*.test.com'), one('inner', '*.b.test.com'));
  expect([find('a.b.test.com'), find('b.test.com')]).toEqual(['inner', 'outer']);
  expect(find('x.a.b.test.com')).toBeUndefined();
  expect(find('x.y.test.com')).toBeUndefined();
  expect(find('x.y.other.com')).toBe('all');
});

test('a lone * takes every name, in a list only those without a dot', () => {
  expect(finder(one('all', '*'))('a.b.c')).toBe('all');
  const find = finder(list('some', '*', 'a.test'));
  expect([find('localhost'), find('a.test'), find('b.test')]).toEqual(['some', 'some', undefined]);
});

test('a wildcard need not stop at a dot', () => {
  const find = finder(one('wild', '*test.com'));
  expect([find('mytest.com'), find('test.com'), find('a.test.com')]).toEqual([
    'wild',
    'wild',
    undefined,
  ]);
});

test('of two with one name the first has it', () => {
  const find = finder(
    one('first', 'a.test'),
    one('second', 'a.test'),
    list('third', 'a.test', 'b'),
  );
  expect([find('a.test'), find('b')]).toEqual(['first', 'third']);
});

test('names compare in lower case and without a final dot', () => {
  expect(comparableName('WWW.Test.COM.')).toBe('www.test.com');
  expect(comparableName('a..')).toBe('a.');
});
