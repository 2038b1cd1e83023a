import * as fc from 'fast-check';

export type Schema = Readonly<Record<string, unknown>>;

export interface SchemaArbitraryOptions {
  /** What `$ref`s are looked up in: an OpenAPI document. */
  readonly document: Schema;
  /** Better values than a schema can tell of, by the name of the property they stand in. */
  readonly samples: Readonly<Record<string, readonly unknown[]>>;
}

const DEPTH_MAX = 7;
/** Optional properties of one object, so that it does not grow with the number of plugins. */
const OPTIONAL_MAX = 5;
const ITEMS_MAX = 3;
const CHARS_MAX = 40;

const ANY = fc.jsonValue({ maxDepth: 2, maxKeys: 3 } as fc.JsonSharedConstraints);

/**
 * Values that mostly follow a schema of draft 2020-12 as far as the document of the Admin API uses
 * it. What a schema only says by `not` is passed over: some values break it.
 */
export function schemaArbitrary(
  schema: unknown,
  options: SchemaArbitraryOptions,
  depth = 0,
): fc.Arbitrary<unknown> {
  if (schema === false) return fc.constant(null);
  if (!isSchema(schema) || depth > DEPTH_MAX) return ANY;
  if (typeof schema['$ref'] === 'string') {
    return schemaArbitrary(resolveRef(options.document, schema['$ref']), options, depth + 1);
  }
  if ('const' in schema) return fc.constant(schema['const']);
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...(schema['enum'] as unknown[]));
  const choices = flatten(schema, options.document);
  const [only] = choices;
  if (choices.length === 1 && only !== undefined) return typed(only, options, depth);
  return fc.oneof(...choices.map((one) => typed(one, options, depth)));
}

export function resolveRef(document: Schema, ref: string): unknown {
  const parts = ref.replace(/^#\//, '').split('/');
  return parts.reduce<unknown>((at, name) => (isSchema(at) ? at[name] : undefined), document);
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const COMBINATIONS_MAX = 24;

/** The schema without `allOf`, `anyOf`, `oneOf`, `if`: one for each way to go, up to a limit. */
function flatten(schema: Schema, document: Schema): Schema[] {
  const { allOf, anyOf, oneOf, if: condition, then, else: otherwise, ...rest } = schema;
  let found: Schema[] = [rest];
  const spread = (alternatives: readonly unknown[]): void => {
    const flat = alternatives.flatMap((one) => {
      const target =
        isSchema(one) && typeof one['$ref'] === 'string' ? resolveRef(document, one['$ref']) : one;
      return isSchema(target) ? flatten(target, document) : [{}];
    });
    found = found.flatMap((base) => flat.map((one) => merge(base, one)));
    found = found.slice(0, COMBINATIONS_MAX);
  };
  for (const one of Array.isArray(allOf) ? (allOf as unknown[]) : []) spread([one]);
  if (Array.isArray(anyOf)) spread(anyOf);
  if (Array.isArray(oneOf)) spread(oneOf);
  if (isSchema(condition)) {
    const met = isSchema(then) ? merge(condition, then) : condition;
    spread([met, otherwise ?? {}]);
  }
  return found;
}

function merge(one: Schema, other: Schema): Schema {
  const required = [...asList(one['required']), ...asList(other['required'])];
  const [properties, more] = [one['properties'], other['properties']];
  return {
    ...one,
    ...other,
    ...(required.length > 0 && { required }),
    ...(isSchema(properties) && { properties: { ...properties, ...(isSchema(more) && more) } }),
  };
}

function typed(schema: Schema, options: SchemaArbitraryOptions, depth: number) {
  const types = [schema['type']].flat().filter((type) => typeof type === 'string');
  const [first = guessType(schema)] = types;
  if (types.length <= 1) return ofType(first, schema, options, depth);
  return fc.oneof(...types.map((one) => ofType(one, schema, options, depth)));
}

function guessType(schema: Schema): string {
  if ('properties' in schema || 'required' in schema) return 'object';
  if ('items' in schema) return 'array';
  return 'pattern' in schema || 'format' in schema ? 'string' : 'any';
}

function ofType(
  type: string,
  schema: Schema,
  options: SchemaArbitraryOptions,
  depth: number,
): fc.Arbitrary<unknown> {
  switch (type) {
    case 'object':
      return objects(schema, options, depth);
    case 'array':
      return arrays(schema, options, depth);
    case 'string':
      return strings(schema);
    case 'integer':
      return integers(schema);
    case 'number':
      return fc.oneof(
        integers(schema),
        fc.double({ min: bound(schema, 'minimum', 0), max: 1e6, noNaN: true }),
      );
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return ANY;
  }
}

function objects(schema: Schema, options: SchemaArbitraryOptions, depth: number) {
  const properties = isSchema(schema['properties']) ? schema['properties'] : {};
  const required = new Set(asList(schema['required']).map(String));
  const optional = Object.keys(properties).filter((name) => !required.has(name));
  const valueOf = (name: string): fc.Arbitrary<unknown> => {
    const own = schemaArbitrary(properties[name], options, depth + 1);
    const samples = options.samples[name];
    return samples === undefined
      ? own
      : fc.oneof(
          { weight: 4, arbitrary: fc.constantFrom(...samples) },
          { weight: 1, arbitrary: own },
        );
  };
  const extra = extraProperties(schema, options, depth);
  const maxLength = Math.min(OPTIONAL_MAX, depth > 3 ? 2 : OPTIONAL_MAX);
  return fc
    .subarray(optional, { maxLength: Math.min(optional.length, maxLength) })
    .chain((chosen) => {
      const names = [...required, ...chosen];
      const known = fc.record(Object.fromEntries(names.map((name) => [name, valueOf(name)])));
      return fc.tuple(known, extra).map(([value, more]) => ({ ...more, ...value }));
    });
}

/** For schemas of maps: `additionalProperties` or `patternProperties` with a schema. */
function extraProperties(schema: Schema, options: SchemaArbitraryOptions, depth: number) {
  const patterns = isSchema(schema['patternProperties']) ? schema['patternProperties'] : {};
  const [inner] = [...Object.values(patterns), schema['additionalProperties']].filter(isSchema);
  if (inner === undefined) return fc.constant({});
  const [pattern] = Object.keys(patterns);
  const name = pattern === undefined || pattern === '.*' ? NAMES : strings({ pattern });
  const value = schemaArbitrary(inner, options, depth + 1);
  const minKeys = Number(schema['minProperties'] ?? 0);
  return fc.dictionary(name as fc.Arbitrary<string>, value, { minKeys, maxKeys: minKeys + 2 });
}

const NAMES = fc.stringMatching(/^[a-z]{1,8}$/);

function arrays(schema: Schema, options: SchemaArbitraryOptions, depth: number) {
  const { items, prefixItems } = schema;
  if (Array.isArray(prefixItems)) {
    const each = prefixItems.map((one) => schemaArbitrary(one, options, depth + 1));
    return fc.tuple(...each).map((list) => [...list]);
  }
  const item = items === undefined ? ANY : schemaArbitrary(items, options, depth + 1);
  const minLength = bound(schema, 'minItems', 0);
  const maxLength = Math.max(minLength, Math.min(bound(schema, 'maxItems', ITEMS_MAX), ITEMS_MAX));
  if (schema['uniqueItems'] !== true) return fc.array(item, { minLength, maxLength });
  const selector = (value: unknown) => JSON.stringify(value);
  return fc.uniqueArray(item, { minLength, maxLength, selector });
}

function strings(schema: Schema): fc.Arbitrary<unknown> {
  const { pattern, format } = schema;
  const references = fc.constantFrom('$env://HOME', '$secret://vault/1/key');
  if (format === 'ipv4') return fc.ipV4();
  if (format === 'ipv6') return fc.ipV6();
  const minLength = bound(schema, 'minLength', 0);
  const maxLength = Math.max(minLength, Math.min(bound(schema, 'maxLength', CHARS_MAX), CHARS_MAX));
  const plain = fc.string({ minLength, maxLength });
  const own = typeof pattern === 'string' ? matching(pattern, plain) : plain;
  return fc.oneof({ weight: 300, arbitrary: own }, { weight: 1, arbitrary: references });
}

/** Look-arounds and the like cannot be generated from. */
function matching(pattern: string, otherwise: fc.Arbitrary<string>): fc.Arbitrary<string> {
  try {
    return fc.stringMatching(new RegExp(pattern));
  } catch {
    return otherwise;
  }
}

function integers(schema: Schema): fc.Arbitrary<unknown> {
  const min = Math.ceil(
    bound(schema, 'minimum', Math.floor(bound(schema, 'exclusiveMinimum', -1) + 1)),
  );
  const max = Math.floor(
    bound(schema, 'maximum', Math.ceil(bound(schema, 'exclusiveMaximum', min + 100_001) - 1)),
  );
  return fc.integer({ min, max: Math.max(min, Math.min(max, 2 ** 31 - 1)) });
}

function bound(schema: Schema, name: string, otherwise: number): number {
  const value = schema[name];
  return typeof value === 'number' ? value : otherwise;
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}
