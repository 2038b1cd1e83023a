import { describe, expect, test } from 'vitest';
import { ConfigError } from '../errors.ts';
import { compileSchema, dataValidator } from './compile-schema.ts';

function messageFor(schema: object, value: unknown): string | undefined {
  try {
    compileSchema(schema as Record<string, unknown>)(value);
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

const name = { properties: { name: { type: 'string' } } };

// Facts of api7/jsonschema 0.9.13 and of the answers in APISIX's tests.
const broken: readonly (readonly [object, unknown, string])[] = [
  [{ type: 'string' }, 1, 'wrong type: expected string, got number'],
  [{ type: 'object' }, 'x', 'wrong type: expected object, got string'],
  [{ type: 'object' }, [1], 'wrong type: expected object, got table'],
  [{ type: 'array' }, { a: 1 }, 'wrong type: expected array, got table'],
  [{ type: 'string' }, null, 'wrong type: expected string, got userdata'],
  [{ type: 'integer' }, 1.5, 'wrong type: expected integer, got number'],
  [{ type: 'boolean' }, 'true', 'wrong type: expected boolean, got string'],
  [{ type: ['string', 'boolean'] }, 1, 'wrong type: expected one of string, boolean, got number'],
  [name, { name: 1 }, 'property "name" validation failed: wrong type: expected string, got number'],
  [{ required: ['x'] }, {}, 'property "x" is required'],
  [{ ...name, required: ['name'] }, {}, 'property "name" is required'],
  [{ required: ['x'] }, [], 'property "x" is required'],
  [
    { ...name, additionalProperties: false },
    { name: 'a', ocsp_stapling: {} },
    'additional properties forbidden, found ocsp_stapling',
  ],
  [
    { additionalProperties: { type: 'string', pattern: '^\\$.*' } },
    { 'X-Consumer-Department': 'department' },
    'failed to validate additional property X-Consumer-Department: ' +
      'failed to match pattern "^\\\\$.*" with "department"',
  ],
  [
    { patternProperties: { '.*': { type: 'string' } } },
    { env: ['a'] },
    'failed to validate env (matching ".*"): wrong type: expected string, got table',
  ],
  [{ minProperties: 1 }, {}, 'expect object to have at least 1 properties'],
  [{ maxProperties: 1 }, { a: 1, b: 2 }, 'expect object to have at most 1 properties'],
  [{ dependencies: { a: ['b'] } }, { a: 1 }, 'property "b" is required when "a" is set'],
  [
    { properties: { a: {} }, dependencies: { a: { not: { required: ['b'] } } } },
    { a: 1, b: 2 },
    'failed to validate dependent schema for "a": value wasn\'t supposed to match schema',
  ],
  [{ minItems: 1 }, [], 'expect array to have at least 1 items'],
  [{ maxItems: 1 }, [1, 2], 'expect array to have at most 1 items'],
  [
    { items: [{ type: 'string' }], additionalItems: false },
    ['a', 1],
    'found unexpected extra items in array',
  ],
  [
    { items: [{ type: 'string' }], additionalItems: { type: 'string' } },
    ['a', 1],
    'failed to validate additional item 2: wrong type: expected string, got number',
  ],
  [
    { propertyNames: { maxLength: 1 } },
    { ab: 1 },
    'failed to validate property name "ab": string too long, expected at most 1, got 2',
  ],
  [
    { items: { type: 'string' } },
    ['a', 1],
    'failed to validate item 2: wrong type: expected string, got number',
  ],
  [{ uniqueItems: true }, ['a', 'a'], 'expected unique items but items 1 and 2 are equal'],
  [
    { uniqueItems: true },
    [{ a: 1 }, 1, { a: 1 }],
    'expected unique items but items 1 and 3 are equal',
  ],
  [
    { uniqueItems: true },
    [{ a: 1 }, { b: [], c: 2 }, { c: 2, b: {} }, [1], { 0: 1 }, { a: 1 }],
    'expected unique items but items 1 and 6 are equal',
  ],
  [
    { uniqueItems: true },
    [{ a: { b: 1 } }, { b: [], c: 2 }, { c: 2, b: {} }],
    'expected unique items but items 2 and 3 are equal',
  ],
  [{ minLength: 1 }, '', 'string too short, expected at least 1, got 0'],
  [{ maxLength: 2 }, 'äöü', 'string too long, expected at most 2, got 3'],
  [{ minLength: 3 }, '😀😀', 'string too short, expected at least 3, got 2'],
  [
    { pattern: '^[^\\/]+$' },
    'a/"b"\\',
    'failed to match pattern "^[^\\\\/]+$" with "a/\\"b\\"\\\\"',
  ],
  [{ minimum: 2 }, 1, 'expected 1 to be at least 2'],
  [{ maximum: 65535 }, 100_000, 'expected 100000 to be at most 65535'],
  [{ exclusiveMinimum: 0 }, -1, 'expected -1 to be greater than 0'],
  [{ exclusiveMaximum: 1 }, 1, 'expected 1 to be smaller than 1'],
  [{ maximum: 1 }, 1e15, 'expected 1e+15 to be at most 1'],
  [{ maximum: 0.1 }, 0.25, 'expected 0.25 to be at most 0.1'],
  [{ multipleOf: 0.01 }, 1.135, 'expected 1.135 to be a multiple of 0.01'],
  [{ enum: ['a', 1] }, '1', 'matches none of the enum values'],
  [{ const: 'a' }, 'b', 'failed to check const value'],
  [{ allOf: [{ required: ['a'] }] }, {}, 'allOf 1 failed: property "a" is required'],
  [
    { anyOf: [{ required: ['active'] }, { required: ['active', 'passive'] }] },
    {},
    'object matches none of the required: ["active"] or ["active","passive"]',
  ],
  [{ anyOf: [{ type: 'string' }] }, 1, 'object matches none of the required'],
  [{ oneOf: [{ type: 'string' }] }, 1, 'value should match only one schema, but matches none'],
  [
    { oneOf: [{ type: 'string' }, { type: 'integer' }, { type: 'number' }] },
    1,
    'value should match only one schema, but matches both schemas 2 and 3',
  ],
  [{ if: { const: 1 }, then: { const: 2 } }, 1, 'then clause did not match'],
  [{ if: { const: 1 }, else: { const: 2 } }, 3, 'else clause did not match'],
  [{ not: { type: 'string' } }, 'a', "value wasn't supposed to match schema"],
  [{ format: 'ipv4' }, '1.2.3.256', 'expect valid ipv4 format but got: 1.2.3.256'],
  [{ format: 'ipv6' }, '::1::', 'expect valid ipv6 format but got: ::1::'],
  [{ contains: { const: 'exact' } }, ['semantic'], 'failed to check contains'],
  [{ required: [] }, { a: 1 }, 'the input data should be an empty table'],
  [{ properties: { a: false } }, { a: 1 }, 'property "a" validation failed: expect false always'],
];

describe('compileSchema', () => {
  test.each(broken)('%j refuses %j: %s', (schema, value, message) => {
    expect(messageFor(schema, value)).toBe(message);
  });

  test('takes values that keep every rule', () => {
    const schema = {
      type: 'object',
      properties: {
        port: { type: 'integer', minimum: 1, maximum: 65_535 },
        addresses: { type: 'array', items: { anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }] } },
        price: { multipleOf: 0.01 },
      },
      required: ['port'],
    };
    const value = { port: 80, addresses: ['10.0.0.1', 'fe80::1'], price: 1.13 };
    expect(messageFor(schema, value)).toBeUndefined();
  });

  test('asks for the type before anything else', () => {
    const schema = { type: 'string', enum: ['a'], minLength: 3 };
    expect(messageFor(schema, 1)).toBe('wrong type: expected string, got number');
    expect(messageFor(schema, 'b')).toBe('string too short, expected at least 3, got 1');
  });

  test('fills defaults into nested objects and items in place', () => {
    const schema = {
      properties: {
        size: { default: 320 },
        nodes: { items: { type: 'object', properties: { priority: { default: 0 } } } },
        match: { type: 'object', default: {} },
        pool: { type: 'object', properties: { size: { default: 1 } } },
      },
    };
    const value = { nodes: [{}, { priority: 2 }], pool: {} };
    compileSchema(schema)(value);
    expect(value).toEqual({
      size: 320,
      nodes: [{ priority: 0 }, { priority: 2 }],
      match: {},
      pool: { size: 1 },
    });
  });

  test('gives each value a default of its own', () => {
    const schema = { properties: { list: { default: [1] } } };
    const [one, other]: { list?: number[] }[] = [{}, {}];
    compileSchema(schema)(one);
    compileSchema(schema)(other);
    one?.list?.push(2);
    expect(other?.list).toEqual([1]);
    expect(schema.properties.list.default).toEqual([1]);
  });

  test('takes null for a present value and undefined for an absent one', () => {
    expect(messageFor({ required: ['a'] }, { a: null })).toBeUndefined();
    expect(messageFor({ required: ['a'] }, { a: undefined })).toBe('property "a" is required');
  });

  test('gives an empty table the shape that its schema asks for', () => {
    const schema = {
      properties: {
        object: { type: 'object', properties: { size: { default: 1 } } },
        list: { type: 'array' },
      },
    };
    const value = { object: [], list: {} };
    compileSchema(schema)(value);
    expect(value).toEqual({ object: { size: 1 }, list: [] });
  });

  test('lets references to secrets stand where a string may', () => {
    const text = { type: 'string', pattern: '^/', maxLength: 3 };
    expect(messageFor(text, '$secret://vault/1/a/b')).toBeUndefined();
    expect(messageFor(text, '$env://TEST_URI')).toBeUndefined();
    expect(messageFor(text, '$other')).toContain('string too long');
    expect(messageFor({ type: 'integer' }, '$env://PORT')).toContain('wrong type');
  });

  test('does not take inherited members for properties', () => {
    expect(messageFor({ required: ['constructor'] }, {})).toBe(
      'property "constructor" is required',
    );
    const schema = { properties: { toString: { type: 'string' } } };
    expect(messageFor(schema, {})).toBeUndefined();
  });

  test.each([
    { $ref: '#/definitions/a' },
    { type: 'text' },
    { enum: 'a' },
    { properties: { a: { items: [{ $ref: '#' }] } } },
  ])('throws a TypeError for a schema it cannot follow: %j', (schema) => {
    expect(() => compileSchema(schema)).toThrow(TypeError);
  });

  test('compiles a schema once', () => {
    const schema = {
      type: 'string',
      get pattern() {
        reads += 1;
        return 'a';
      },
    };
    let reads = 0;
    compileSchema(schema);
    const readsOfOne = reads;
    compileSchema(schema)('a');
    expect(reads).toBe(readsOfOne);
  });
});

describe('dataValidator', () => {
  test('is done with very many items that have to be unique', () => {
    const items = Array.from({ length: 50_000 }, (_, a) => ({ a }));
    expect(dataValidator({ uniqueItems: true })(items)).toBeUndefined();
  });

  test('takes a reference to a secret for the text that it is', () => {
    const schema = { type: 'string', pattern: '^/' };
    expect(dataValidator(schema)('$secret://vault/1/a/b')).toContain('failed to match pattern');
    expect(messageFor(schema, '$secret://vault/1/a/b')).toBeUndefined();
  });

  test('follows a schema that contains itself', () => {
    const schema: { properties: { next?: object }; required: string[] } = {
      properties: {},
      required: ['name'],
    };
    schema.properties.next = schema;
    expect(dataValidator(schema)({ name: 1, next: { name: 2 } })).toBeUndefined();
    expect(dataValidator(schema)({ name: 1, next: { name: 2, next: {} } })).toContain(
      'property "name" is required',
    );
  });
});
