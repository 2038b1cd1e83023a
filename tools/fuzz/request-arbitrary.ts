import * as fc from 'fast-check';
import {
  resolveRef,
  type Schema,
  schemaArbitrary,
  type SchemaArbitraryOptions,
} from './schema-arbitrary.ts';

export interface FuzzRequest {
  readonly operationId: string;
  readonly method: string;
  /** With its query, as it goes out. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** What makes an answer wait, objects disappear later, or references dangle. */
const LEFT_OUT = ['wait', 'timeout', 'ttl', 'force'];
const METHODS = ['get', 'put', 'post', 'patch', 'delete'] as const;
/** So that objects meet again: references, changes, deletions. */
const IDS = ['1', '2', 'a'] as const;

const HOSTILE_TEXTS = [
  '',
  '{',
  'null',
  '[]',
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  `${'['.repeat(5000)}${']'.repeat(5000)}`,
  `{"uri":"/${'a'.repeat(5000)}","plugins":{}}`,
  '{"id":1e400}',
  '{"id":"\\u0000"}',
  '{"desc":"\\ud800"}',
  '\u0000\u0001\ufffd',
  '{"a":1}{"b":2}',
  '{"a":1,"a":2}',
  '[[[[{"id":{}}]]]]',
  'id: 1\nuri: /',
] as const;

const HOSTILE_VALUES = [
  null,
  true,
  -1,
  0,
  1.5,
  2 ** 53,
  1e308,
  '',
  '\u0000',
  '../../../etc/passwd',
  '(a+)+$',
  '(',
  '$secret://',
  '$env://',
  '__proto__',
  [],
  {},
  [[]],
  { toString: null },
  [null],
] as const;

/** Requests of all operations in an OpenAPI document: most of them valid or nearly so. */
export function requestArbitrary(options: SchemaArbitraryOptions): fc.Arbitrary<FuzzRequest> {
  const paths = options.document['paths'] as Record<string, Record<string, Schema>>;
  const each = Object.entries(paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method];
      if (operation === undefined) return [];
      const arbitrary = operationArbitrary({ path, method, item, operation }, options);
      // writes are what there is to find something with
      return [{ weight: method === 'get' || method === 'delete' ? 1 : 4, arbitrary }];
    }),
  );
  return fc.oneof(...each);
}

interface Operation {
  readonly path: string;
  readonly method: string;
  readonly item: Record<string, unknown>;
  readonly operation: Schema;
}

function operationArbitrary(
  { path, method, item, operation }: Operation,
  options: SchemaArbitraryOptions,
): fc.Arbitrary<FuzzRequest> {
  const parameters = [item['parameters'], operation['parameters']]
    .flatMap((list) => (Array.isArray(list) ? (list as Schema[]) : []))
    .map((one) => resolveRef(options.document, String(one['$ref'])) as Schema)
    .filter(({ name }) => !LEFT_OUT.includes(String(name)));
  const pathNames = parameters.filter((one) => one['in'] === 'path');
  const queryNames = parameters.filter((one) => one['in'] === 'query');
  return fc
    .record({
      segments: fc.tuple(...pathNames.map((one) => pathValue(one, options))),
      query: fc.tuple(...queryNames.map((one) => queryValue(one, options))),
      body: bodyArbitrary(operation, options),
    })
    .map(({ segments, query, body }) => {
      const values = new Map(pathNames.map(({ name }, i) => [String(name), segments[i] ?? '']));
      const at = path.replace(/\{(\w+)\}/g, (_all, name: string) =>
        encodeURIComponent(values.get(name) ?? ''),
      );
      const asked = queryNames.flatMap(({ name }, i) =>
        query[i] === undefined ? [] : [`${String(name)}=${encodeURIComponent(query[i])}`],
      );
      return {
        operationId: String(operation['operationId']),
        method: method.toUpperCase(),
        target: asked.length === 0 ? at : `${at}?${asked.join('&')}`,
        headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
        body,
      };
    });
}

function pathValue({ name, schema }: Schema, options: SchemaArbitraryOptions) {
  const own = schemaArbitrary(schema, options).map(wellFormed);
  const isId = /^(id|username|service_id)$/.test(String(name));
  const known = isId ? IDS : (options.samples[String(name)] ?? IDS);
  return fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...known).map(String) },
    { weight: 2, arbitrary: own },
    { weight: 1, arbitrary: fc.string({ maxLength: 20 }).map(wellFormed) },
  );
}

function queryValue({ schema }: Schema, options: SchemaArbitraryOptions) {
  const own = schemaArbitrary(schema, options).map(wellFormed);
  const any = fc.string({ maxLength: 20 }).map(wellFormed);
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant(undefined) },
    { weight: 2, arbitrary: own },
    { weight: 1, arbitrary: any },
  );
}

/** encodeURIComponent throws for half of a surrogate pair. */
function wellFormed(value: unknown): string {
  return String(value).toWellFormed();
}

function bodyArbitrary(
  { requestBody }: Schema,
  options: SchemaArbitraryOptions,
): fc.Arbitrary<string | undefined> {
  if (requestBody === undefined) return fc.constant(undefined);
  const content = (requestBody as Schema)['content'] as Record<string, Schema>;
  const valid = schemaArbitrary(content['application/json']?.['schema'], options);
  const toText = (value: unknown) => JSON.stringify(value) ?? 'null';
  return fc.oneof(
    { weight: 6, arbitrary: valid.map(toText) },
    { weight: 4, arbitrary: mutated(valid).map(toText) },
    { weight: 1, arbitrary: fc.constantFrom(...HOSTILE_TEXTS) },
  );
}

/** One place in the value is another value, is gone, or has a neighbour that it should not have. */
function mutated(valid: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const values = fc.oneof(fc.constantFrom<unknown>(...HOSTILE_VALUES), fc.jsonValue());
  const how = fc.constantFrom('replace', 'remove', 'add');
  return fc.tuple(valid, values, fc.nat(), how).map(([value, other, at, kind]) => {
    const copy: unknown = structuredClone(value);
    const places = placesIn(copy);
    const place = places[at % Math.max(1, places.length)];
    if (place === undefined) return other;
    const { parent, key } = place;
    if (kind === 'replace') Reflect.set(parent, key, other);
    else if (kind === 'add')
      Reflect.set(parent, Array.isArray(parent) ? parent.length : 'x', other);
    else if (Array.isArray(parent)) parent.splice(Number(key), 1);
    else Reflect.deleteProperty(parent, key);
    return copy;
  });
}

function placesIn(value: unknown): { readonly parent: object; readonly key: string }[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    { parent: value, key },
    ...placesIn(inner),
  ]);
}
