import { describe, expect, test } from 'vitest';
import { cutConf } from './conf-segments.ts';

const key = 'route#1#ext-plugin-pre-req#1';
const runners = [
  { name: 'default', plugins: [] },
  { name: 'go', plugins: ['a', 'b'] },
  { name: 'java', plugins: ['c'] },
];
const entry = (name: string, runner?: string) => ({ name, value: `${name}!`, runner });
const cut = (...plugins: ReturnType<typeof entry>[]) =>
  cutConf({ key, plugins }, runners).map(({ runner, key: of, plugins: entries }) => [
    runner,
    of,
    entries.map(({ name }) => name).join(),
  ]);

describe('cutConf', () => {
  test('keeps APISIX’s key where all entries live in one runner', () => {
    expect(cut(entry('x'), entry('y'))).toEqual([['default', key, 'x,y']]);
    expect(cut(entry('a'), entry('b'))).toEqual([['go', key, 'a,b']]);
  });

  test('has the default runner know a conf without entries', () => {
    expect(cut()).toEqual([['default', key, '']]);
  });

  test('cuts where the runner changes, and never changes the order', () => {
    expect(cut(entry('a'), entry('c'), entry('b'), entry('x'), entry('y'))).toEqual([
      ['go', `${key}#1`, 'a'],
      ['java', `${key}#2`, 'c'],
      ['go', `${key}#3`, 'b'],
      ['default', `${key}#4`, 'x,y'],
    ]);
  });

  test('goes by the runner that an entry names, then by what runners are declared to have', () => {
    expect(cut(entry('x', 'python'), entry('c'))).toEqual([
      ['python', `${key}#1`, 'x'],
      ['java', `${key}#2`, 'c'],
    ]);
  });

  test('shows runners no more than name and value', () => {
    const [segment] = cutConf({ key, plugins: [entry('x', 'go')] }, []);
    expect(segment?.plugins).toEqual([{ name: 'x', value: 'x!' }]);
  });

  test('names a plugin that its runner is not declared to have', () => {
    const [segment] = cutConf({ key, plugins: [entry('typo', 'go')] }, runners);
    expect(segment?.problem).toBe('unknown plugin: runner go is not declared to have "typo"');
    const [known] = cutConf({ key, plugins: [entry('a', 'go')] }, runners);
    expect(known?.problem).toBeUndefined();
  });
});
