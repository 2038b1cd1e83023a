import { expect, test } from 'vitest';
import { convertSchema } from './convert-schema.ts';

test.each([
  [
    'a flag beside a bound becomes the bound',
    { type: 'number', minimum: 0, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: false },
    { type: 'number', exclusiveMinimum: 0, maximum: 9 },
  ],
  ['a bound of its own stays', { exclusiveMinimum: 0 }, { exclusiveMinimum: 0 }],
  [
    'a list of items is a tuple',
    { items: [{ type: 'string' }], additionalItems: false },
    { prefixItems: [{ type: 'string' }], items: false },
  ],
  [
    'dependencies are split by what they ask for',
    { dependencies: { a: ['b'], c: { required: ['d'] } } },
    { dependentRequired: { a: ['b'] }, dependentSchemas: { c: { required: ['d'] } } },
  ],
  [
    'definitions are renamed, inside too',
    { not: { definitions: { a: { id: 'x' } } } },
    { not: { $defs: { a: { $id: 'x' } } } },
  ],
  ['an empty list of names asks for an empty object', { required: [] }, { maxProperties: 0 }],
  [
    'a property may be called as a keyword is',
    { properties: { id: { type: 'string' }, items: { items: [true] }, required: {} } },
    { properties: { id: { type: 'string' }, items: { prefixItems: [true] }, required: {} } },
  ],
  [
    'what is data is no schema',
    { default: { items: [1] }, enum: [{ dependencies: 1 }], const: { id: 1 } },
    { default: { items: [1] }, enum: [{ dependencies: 1 }], const: { id: 1 } },
  ],
  ['a pattern of PCRE alone is kept aside', { pattern: '(?>a)' }, { 'x-pcre-pattern': '(?>a)' }],
  ['true and false are schemas', { contains: true, not: false }, { contains: true, not: false }],
])('%s', (_name, schema, expected) => {
  expect(convertSchema(schema)).toEqual(expected);
});

test('a schema that has a name is referred to, but not by itself', () => {
  const upstream = { type: 'object', properties: {} };
  const named = new Map([[upstream, 'Upstream']]);
  const ref = { $ref: '#/components/schemas/Upstream' };
  expect(convertSchema({ anyOf: [upstream], items: upstream }, named)).toEqual({
    anyOf: [ref],
    items: ref,
  });
  expect(convertSchema(upstream, named)).toEqual(upstream);
});

test('the schema itself is left as it is', () => {
  const schema = Object.freeze({ items: Object.freeze([Object.freeze({ id: 'x' })]) });
  convertSchema(schema);
  expect(schema).toEqual({ items: [{ id: 'x' }] });
});
