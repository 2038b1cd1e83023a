import { expect, test } from 'vitest';
import { mergeInto, setSubPath } from './patch-value.ts';

function merged(origin: Record<string, unknown>, changes: Record<string, unknown>) {
  mergeInto(origin, changes);
  return origin;
}

test('a merge goes into objects, replaces lists and scalars, and deletes what is null', () => {
  const origin = { uri: '/a', methods: ['GET', 'PUT'], upstream: { type: 'x', nodes: { a: 1 } } };
  const changes = { uri: '/b', methods: ['PUT'], upstream: { type: null, nodes: { b: 2 } } };
  expect(merged(origin, changes)).toEqual({
    uri: '/b',
    methods: ['PUT'],
    upstream: { nodes: { a: 1, b: 2 } },
  });
});

test('a merge with an empty object clears, as Lua takes it for an empty list', () => {
  expect(merged({ plugins: { echo: {} } }, { plugins: {} })).toEqual({ plugins: {} });
});

test('a merge never reaches a prototype through inherited names', () => {
  const result = merged({}, { constructor: { prototype: { polluted: true } } });
  expect(Object.hasOwn(result, 'constructor')).toBe(true);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

test('a sub-path sets its value and makes the objects on the way', () => {
  const value = { uri: '/a' };
  expect(setSubPath(value, 'upstream/nodes/127.0.0.1:80', 1)).toBeUndefined();
  expect(value).toEqual({ uri: '/a', upstream: { nodes: { '127.0.0.1:80': 1 } } });
});

test('null at a sub-path deletes', () => {
  const value = { plugins: { echo: {}, cors: {} } };
  setSubPath(value, 'plugins/echo', null);
  expect(value).toEqual({ plugins: { cors: {} } });
});

test('a sub-path through something that is no object is refused, with the wrong part', () => {
  for (const value of [{ a: { b: 'text' } }, { a: { b: ['list'] } }]) {
    expect(setSubPath(value, 'a/b/c/d', 1)).toBe('invalid sub-path: /a/b');
  }
});

test('a sub-path never leads into a prototype', () => {
  for (const path of ['__proto__/polluted', 'a/__proto__/polluted', '__proto__']) {
    expect(setSubPath({}, path, true)).toBe(`invalid sub-path: /${path}`);
  }
  expect(setSubPath({}, 'constructor/prototype/polluted', true)).toBeUndefined();
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});
