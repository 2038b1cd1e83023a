import { describe, expect, test } from 'vitest';
import { HeaderList } from './header-list.ts';

const list = (...raw: string[]): HeaderList => HeaderList.fromRaw(raw);

describe('HeaderList', () => {
  test('finds names whatever their case and keeps the spelling they came in', () => {
    const headers = list('X-One', '1', 'x-TWO', '2');
    expect(headers.get('x-one')).toBe('1');
    expect(headers.has('X-Two')).toBe(true);
    expect(headers.toRaw()).toEqual(['X-One', '1', 'x-TWO', '2']);
  });

  test('answers the first of several values, and all of them in order', () => {
    const headers = list('Cookie', 'a', 'Host', 'h', 'cookie', 'b');
    expect(headers.get('cookie')).toBe('a');
    expect(headers.getAll('COOKIE')).toEqual(['a', 'b']);
    expect(headers.get('none')).toBeUndefined();
  });

  test('set() replaces all of a name in the place of the first', () => {
    const headers = list('A', '1', 'B', '2', 'a', '3');
    headers.set('a', 'new');
    expect(headers.toRaw()).toEqual(['a', 'new', 'B', '2']);
    headers.set('C', ['x', 'y']);
    headers.set('B', []);
    expect(headers.toRaw()).toEqual(['a', 'new', 'C', 'x', 'C', 'y']);
  });

  test('delete() takes every header of a name and no other', () => {
    const headers = list('A', '1', 'B', '2', 'a', '3', 'AB', '4');
    headers.delete('A');
    expect(headers.toRaw()).toEqual(['B', '2', 'AB', '4']);
    expect(headers.size).toBe(2);
  });

  test('forEach() gives the name as spelled, the value and the name in lower case', () => {
    const seen: string[][] = [];
    list('X-A', '1').forEach((...one) => seen.push(one));
    expect(seen).toEqual([['X-A', '1', 'x-a']]);
  });

  test('names of Object.prototype are names like any other', () => {
    const headers = list('constructor', 'c', '__proto__', 'p');
    expect([headers.get('constructor'), headers.get('__proto__')]).toEqual(['c', 'p']);
    expect(headers.get('toString')).toBeUndefined();
  });
});
