import { expect, test } from 'vitest';
import { environmentVariables, resolveEnvironmentReference } from './environment-reference.ts';
import { resolveReferences } from './resolve-references.ts';

const variables = environmentVariables(
  { HOST: 'a.example.com', OBJECT: '{"key":"v","n":7,"none":null}', BAD: 'secret text' },
  ['INHERITED', 'HOST=b.example.com', 'EMPTY='],
);
const resolve = (reference: string) => resolveEnvironmentReference(reference, variables);

test('references are replaced wherever they stand, and the value stays as it was', () => {
  const value = { host: '$env://HOST', deep: [{ key: '$ENV://OBJECT/key' }, 'text'], n: 1 };
  expect(resolveReferences(value, resolve)).toEqual({
    value: { host: 'b.example.com', deep: [{ key: 'v' }, 'text'], n: 1 },
    unresolved: [],
  });
  expect(value.host).toBe('$env://HOST');
});

test('a value without references comes back itself', () => {
  const value = { a: ['$not', { b: null }], c: 'env://HOST' };
  expect(resolveReferences(value, resolve).value).toBe(value);
});

test('what cannot be resolved stays, and is named', () => {
  const value = { list: ['$env://MISSING'] };
  const { value: resolved, unresolved } = resolveReferences(value, resolve);
  expect(resolved).toEqual(value);
  expect(unresolved).toEqual([
    { reference: '$env://MISSING', field: '0', reason: 'no environment variable MISSING' },
  ]);
});

test.each([
  ['$env://EMPTY', ''],
  ['$EnV://OBJECT/n', 7],
  ['$env://OBJECT/', '{"key":"v","n":7,"none":null}'],
])('%s stands for %j', (reference, value) => {
  expect(resolve(reference)).toEqual({ value });
});

test.each(['$env://INHERITED', '$env://OBJECT/none', '$env://OBJECT/toString', '$env://BAD/key'])(
  '%s stands for nothing',
  (reference) => {
    const resolution = resolve(reference);
    expect(resolution).toHaveProperty('reason');
    expect(JSON.stringify(resolution)).not.toContain('secret text');
  },
);
