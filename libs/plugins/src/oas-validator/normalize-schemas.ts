import { DocumentError } from './document-error.ts';
import { isObject, type JsonObject } from './json-object.ts';

export type OpenApiVersion = '3.0' | '3.1';

/**
 * Turns the schemas of a document into draft 7, in place. What is a schema shows in its keywords; none
 * of those that are changed can be mistaken, for names of properties have other values. Throws a
 * DocumentError for what draft 7 cannot say.
 */
export function normalizeSchemas(root: JsonObject, version: OpenApiVersion): void {
  const seen = new Set<object>();
  const waiting: unknown[] = [root];
  while (waiting.length > 0) {
    const node = waiting.pop();
    if (typeof node !== 'object' || node === null || seen.has(node)) continue;
    seen.add(node);
    if (isObject(node)) {
      if (version === '3.0') normalize30(node);
      else normalize31(node);
      takeNullOutOfEnum(node);
    }
    for (const member of Object.values(node) as readonly unknown[]) waiting.push(member);
  }
}

function normalize30(schema: JsonObject): void {
  if (schema['nullable'] === true) makeNullable(schema);
  makeExclusive(schema, 'exclusiveMinimum', 'minimum');
  makeExclusive(schema, 'exclusiveMaximum', 'maximum');
}

function makeNullable(schema: JsonObject): void {
  delete schema['nullable'];
  const { type } = schema;
  if (schema['enum'] !== undefined || schema['const'] !== undefined) {
    const original = { ...schema };
    for (const name of Object.keys(schema)) delete schema[name];
    schema['anyOf'] = [original, { type: 'null' }];
  } else if (typeof type === 'string') {
    schema['type'] = [type, 'null'];
  } else if (Array.isArray(type) && !type.includes('null')) {
    schema['type'] = [...(type as unknown[]), 'null'];
  }
}

/** In 3.0 a word beside the limit, in draft 7 the limit itself. */
function makeExclusive(schema: JsonObject, keyword: string, limit: string): void {
  if (typeof schema[keyword] !== 'boolean') return;
  const isExclusive = schema[keyword] && typeof schema[limit] === 'number';
  delete schema[keyword];
  if (!isExclusive) return;
  schema[keyword] = schema[limit];
  delete schema[limit];
}

const NOT_IN_DRAFT_7 = ['unevaluatedProperties', 'unevaluatedItems'];

function normalize31(schema: JsonObject): void {
  if (typeof schema['$dynamicRef'] === 'string') {
    throw problem(`unresolved $dynamicRef: ${schema['$dynamicRef']}`);
  }
  for (const keyword of isSchema(schema) ? NOT_IN_DRAFT_7 : []) {
    if (schema[keyword] !== undefined) throw problem(`unsupported OpenAPI 3.1 keyword: ${keyword}`);
  }
  if (typeof schema['minContains'] === 'number' || typeof schema['maxContains'] === 'number') {
    throw problem('unsupported keyword: minContains/maxContains');
  }
  const { prefixItems, items } = schema;
  if (Array.isArray(prefixItems)) {
    delete schema['prefixItems'];
    schema['items'] = prefixItems;
    if (items !== undefined) schema['additionalItems'] = items;
  }
  for (const keyword of ['dependentRequired', 'dependentSchemas']) {
    const dependent = schema[keyword];
    if (!isObject(dependent) || !isSchema(schema)) continue;
    delete schema[keyword];
    schema['dependencies'] = {
      ...(schema['dependencies'] as JsonObject | undefined),
      ...dependent,
    };
  }
}

function problem(what: string): DocumentError {
  return new DocumentError(`normalization error: ${what}`);
}

/** Whether it looks like one rather than like a list of properties. */
function isSchema({ type, properties, items, allOf, anyOf, oneOf }: JsonObject): boolean {
  const isTyped = typeof type === 'string' || Array.isArray(type);
  return (
    isTyped || isObject(properties) || isObject(items) || [allOf, anyOf, oneOf].some(Array.isArray)
  );
}

/** The compiler of schemas has no null among the values of an `enum`. */
function takeNullOutOfEnum(schema: JsonObject): void {
  const values = schema['enum'];
  if (!Array.isArray(values) || !values.includes(null)) return;
  delete schema['enum'];
  const others = (values as readonly unknown[]).filter((value) => value !== null);
  const choices = [...(others.length > 0 ? [{ enum: others }] : []), { type: 'null' }];
  const { allOf } = schema;
  schema['allOf'] = [...(Array.isArray(allOf) ? (allOf as unknown[]) : []), { anyOf: choices }];
}
