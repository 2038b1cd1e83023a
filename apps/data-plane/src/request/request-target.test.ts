import { describe, expect, test } from 'vitest';
import {
  encodePath,
  hostWithoutPort,
  normalizePath,
  parseRequestTarget,
} from './request-target.ts';

describe('parseRequestTarget()', () => {
  test.each([
    ['/', '/', ''],
    ['/a/b?x=1&y', '/a/b', 'x=1&y'],
    ['/a%20b/%E4%BD%A0', '/a b/你', ''],
    ['/a//b/./c/../d', '/a/b/d', ''],
    ['/a/..', '/', ''],
    ['/a/.', '/a/', ''],
    ['/a%2fb', '/a/b', ''],
    ['/a?b=/../c', '/a', 'b=/../c'],
    ['http://h.test/a?b', '/a', 'b'],
    ['http://h.test', '/', ''],
    ['http://h.test?b', '/', 'b'],
    ['/a#frag', '/a', ''],
    ['/%ff', '/\xff', ''],
  ])('takes %s apart', (target, path, query) => {
    expect(parseRequestTarget(target)).toMatchObject({ path, query });
  });

  test.each(['a', '', 'ftp://h/a', 'http:///a', '/..', '/a/../..', '/%zz', '/a%0', '/a%00b'])(
    'refuses %s',
    (target) => expect(parseRequestTarget(target)).toBeUndefined(),
  );

  test('takes a slash off the end of a path when asked to', () => {
    expect(parseRequestTarget('/a/b/?c', { deleteTailSlash: true })).toMatchObject({
      path: '/a/b',
      query: 'c',
    });
    expect(parseRequestTarget('/', { deleteTailSlash: true })).toMatchObject({ path: '/' });
  });

  test('never answers a path that still holds a dot segment', () => {
    for (const path of ['/%2e%2e/a', '/a/%2e%2e/%2e%2e/b', '/a/%2E./b']) {
      expect(normalizePath(path)?.split('/') ?? []).not.toContain('..');
    }
  });
});

test('encodePath() keeps line breaks, spaces and query marks out of a request line', () => {
  expect(encodePath('/a b?c#d\r\nX: y%')).toBe('/a%20b%3Fc%23d%0D%0AX:%20y%25');
});

test.each([
  ['A.Test:80', 'a.test'],
  ['a.test.', 'a.test'],
  ['[::1]:9080', '[::1]'],
  ['', ''],
])('hostWithoutPort() reads %s as %s', (header, host) => {
  expect(hostWithoutPort(header)).toBe(host);
});
