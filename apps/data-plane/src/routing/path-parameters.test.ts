import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { captureParameters, compileParameters } from './path-parameters.ts';

function captured(pattern: string, path: string, withColons = true): object | undefined {
  const found = compileParameters(pattern, withColons)?.capture(path);
  return found === undefined ? undefined : Object.fromEntries(found);
}

describe('compileParameters()', () => {
  test.each([
    ['/a', true],
    ['/a/*', true],
    ['/a*', true],
    ['/a/:x', false],
  ])('leaves %s to the text index (colons: %s)', (pattern, withColons) => {
    expect(compileParameters(pattern, withColons)).toBeUndefined();
  });

  test.each([
    ['/u/:id', '/u/7', { id: '7' }],
    ['/u/:id', '/u/7/x', undefined],
    ['/u/:id', '/u/', undefined],
    ['/u/:id', '/v/7', undefined],
    ['/u/:id/', '/u/7/', { id: '7' }],
    ['/u/:id/', '/u/7', undefined],
    ['/u/:a/b/:c', '/u/1/b/2', { a: '1', c: '2' }],
    ['/u/:id/*rest', '/u/7/x/y', { id: '7', rest: 'x/y' }],
    ['/u/:id/*', '/u/7/x', { id: '7', ':ext': 'x' }],
    ['/u/:id/*', '/u/7', undefined],
    ['/f/*path/raw', '/f/a/b/raw', { path: 'a/b' }],
    ['/f/*path/raw', '/f/a/b/raw/x', undefined],
    ['/f/*a/x/*b', '/f/1/x/2/x/3', { a: '1/x/2', b: '3' }],
    ['/a.b/:c', '/aXb/1', undefined],
    ['/u/:id', '/u/a\\b', undefined],
    ['/u/:id', '/u/a:b=c%2F', { id: 'a:b=c%2F' }],
    // no whole segment is a parameter: what begins so matches
    ['/a/b:c', '/a/banana', {}],
  ])('%s with %s finds %j', (pattern, path, expected) => {
    expect(captured(pattern, path)).toEqual(expected);
  });

  test('takes a star in the middle in every mode', () => {
    expect(captured('/f/*/raw', '/f/a/raw', false)).toEqual({ ':ext': 'a' });
    expect(captured('/f/:x/*/raw', '/f/:x/a/raw', false)).toEqual({ x: ':x', ':ext': 'a' });
  });

  test('gives up on many stars at once', () => {
    const pattern = `/${'*a/'.repeat(30)}end`;
    const path = `/${'x/'.repeat(4000)}END`;
    expect(captured(pattern, path)).toBeUndefined();
  });

  test('agrees with a regular expression', () => {
    const item = fc.constantFrom(':p', '*s', 'a', 'b');
    const segments = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 6 });
    fc.assert(
      fc.property(fc.array(item, { minLength: 1, maxLength: 4 }), segments, (items, path) => {
        const pattern = `/${items.join('/')}`;
        const compiled = compileParameters(pattern, true);
        fc.pre(compiled !== undefined && items.some((one) => one.length === 2));
        const source = pattern.replaceAll(':p', '[^/]+').replaceAll('*s', '.*');
        const text = `/${path.join('/')}`;
        expect(compiled?.capture(text) !== undefined).toBe(new RegExp(`^${source}$`).test(text));
      }),
    );
  });
});

test('captureParameters() tells what a trailing star stands for', () => {
  expect(Object.fromEntries(captureParameters('/a/*', '/a/b/c'))).toEqual({ ':ext': 'b/c' });
  expect(captureParameters('/a', '/a').size).toBe(0);
});
