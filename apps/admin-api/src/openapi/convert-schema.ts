import { isJsonObject, type JsonObject } from '../json-object.ts';

/** Schemas that have a name in `components/schemas`, by identity. */
export type NamedSchemas = ReadonlyMap<object, string>;

const ONE_SCHEMA = new Set(['not', 'if', 'then', 'else', 'contains', 'additionalProperties']);
const LIST_OF_SCHEMAS = new Set(['allOf', 'anyOf', 'oneOf']);
const MAP_OF_SCHEMAS = new Set(['properties', 'patternProperties']);
/** What drafts 4 to 7 spell otherwise; the rest is the same in 2020-12. */
const CONVERTED: Readonly<Record<string, (schema: JsonObject, named: NamedSchemas) => JsonObject>> =
  {
    items: convertItems,
    // meant nothing without a list of items, and goes along with it
    additionalItems: () => ({}),
    dependencies: convertDependencies,
    definitions: ({ definitions }, named) => ({ $defs: convertMap(definitions, named) }),
    id: ({ id }) => ({ $id: id }),
    exclusiveMinimum: (schema) => convertBound(schema, 'minimum', 'exclusiveMinimum'),
    exclusiveMaximum: (schema) => convertBound(schema, 'maximum', 'exclusiveMaximum'),
    minimum: (schema) =>
      schema['exclusiveMinimum'] === true ? {} : { minimum: schema['minimum'] },
    maximum: (schema) =>
      schema['exclusiveMaximum'] === true ? {} : { maximum: schema['maximum'] },
    required: convertRequired,
    pattern: ({ pattern }) =>
      isEcmaPattern(pattern) ? { pattern } : { 'x-pcre-pattern': pattern },
    encrypt_fields: ({ encrypt_fields: fields }) => ({ 'x-encrypt-fields': fields }),
  };

/**
 * A JSON Schema of the drafts that APISIX writes (4 to 7, mixed) in draft 2020-12, the one of OpenAPI
 * 3.1. Makes a copy. What `named` knows becomes a reference to its component, but for the schema
 * itself. A pattern that only PCRE understands is kept as `x-pcre-pattern`.
 */
export function convertSchema(schema: unknown, named: NamedSchemas = new Map()): unknown {
  if (!isJsonObject(schema)) return schema;
  const converted: JsonObject = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (ONE_SCHEMA.has(keyword)) converted[keyword] = convertInner(value, named);
    else if (LIST_OF_SCHEMAS.has(keyword)) converted[keyword] = convertList(value, named);
    else if (MAP_OF_SCHEMAS.has(keyword)) converted[keyword] = convertMap(value, named);
    else if (keyword in CONVERTED) Object.assign(converted, CONVERTED[keyword]?.(schema, named));
    else converted[keyword] = structuredClone(value);
  }
  return converted;
}

export function schemaRef(name: string): { readonly $ref: string } {
  return { $ref: `#/components/schemas/${name}` };
}

function convertInner(schema: unknown, named: NamedSchemas): unknown {
  const name = isJsonObject(schema) ? named.get(schema) : undefined;
  return name === undefined ? convertSchema(schema, named) : schemaRef(name);
}

function convertList(schemas: unknown, named: NamedSchemas): unknown {
  return Array.isArray(schemas) ? schemas.map((one) => convertInner(one, named)) : schemas;
}

function convertMap(schemas: unknown, named: NamedSchemas): JsonObject {
  const entries = Object.entries(isJsonObject(schemas) ? schemas : {});
  return Object.fromEntries(entries.map(([name, one]) => [name, convertInner(one, named)]));
}

/** A list of schemas is a tuple. */
function convertItems({ items, additionalItems }: JsonObject, named: NamedSchemas): JsonObject {
  if (!Array.isArray(items)) return { items: convertInner(items, named) };
  const prefixItems = convertList(items, named);
  if (additionalItems === undefined) return { prefixItems };
  return { prefixItems, items: convertInner(additionalItems, named) };
}

/** Of names, or of schemas: two keywords since 2019-09. */
function convertDependencies({ dependencies }: JsonObject, named: NamedSchemas): JsonObject {
  const entries = Object.entries(isJsonObject(dependencies) ? dependencies : {});
  const [names, schemas] = [entries.filter(isNames), entries.filter((entry) => !isNames(entry))];
  return {
    ...(names.length > 0 && { dependentRequired: structuredClone(Object.fromEntries(names)) }),
    ...(schemas.length > 0 && {
      dependentSchemas: convertMap(Object.fromEntries(schemas), named),
    }),
  };
}

function isNames([, value]: readonly [string, unknown]): boolean {
  return Array.isArray(value);
}

/** Draft 4 has a flag beside the bound. */
function convertBound(schema: JsonObject, bound: string, exclusive: string): JsonObject {
  const value = schema[exclusive];
  if (typeof value === 'number') return { [exclusive]: value };
  return value === true ? { [exclusive]: schema[bound] } : {};
}

/** An empty list is APISIX's way to ask for an empty object. */
function convertRequired({ required }: JsonObject): JsonObject {
  if (!Array.isArray(required)) return {};
  return required.length === 0 ? { maxProperties: 0 } : { required: [...(required as unknown[])] };
}

function isEcmaPattern(pattern: unknown): boolean {
  try {
    // of a schema in this repository, never of configuration; compiled, not run
    return RegExp(String(pattern), 'u') instanceof RegExp;
  } catch {
    return false;
  }
}
