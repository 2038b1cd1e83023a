import { readJson } from '../json-problem.ts';
import { decodeFormText } from '../request-validation/form-fields.ts';
import { parseBodyParts } from './body-parts.ts';
import { isObject, listOf, memberOf, type JsonObject } from './json-object.ts';
import type { ReferenceNames } from './resolve-references.ts';

/** A body as a value, and the schema that it has to meet. */
export interface ReadBody {
  readonly value: unknown;
  readonly schema: unknown;
  /** What is wrong besides. */
  readonly problems: readonly string[];
}

/**
 * Reads a body by its media type; undefined where nothing can be said of it, a text where it cannot be
 * read. Source: lua-resty-openapi-validator, body.lua.
 */
export function readBody(
  text: string,
  contentType: string | undefined,
  schema: unknown,
  referenceNames: ReferenceNames,
): ReadBody | string | undefined {
  const type = contentType?.toLowerCase() ?? '';
  if (isJson(type)) return jsonBody(text, schema, referenceNames);
  if (type.includes('application/x-www-form-urlencoded')) {
    const value = coerceFields(formFields(text), schema);
    return { value, schema, problems: readOnlyProblems(value, schema) };
  }
  if (!type.includes('multipart/form-data')) return undefined;
  const boundary = /boundary=([^;\s]+)/.exec(contentType ?? '')?.[1]?.replace(/^"|"$/g, '');
  if (boundary === undefined) return 'missing multipart boundary';
  const value: JsonObject = Object.create(null) as JsonObject;
  for (const { name, contentType: partType, body } of parseBodyParts(text, boundary)) {
    value[name] = partType !== undefined && isJson(partType.toLowerCase()) ? jsonOr(body) : body;
  }
  return { value: coerceFields(value, schema), schema, problems: [] };
}

/** The schema for a media type, the one of any type, or the first. */
export function schemaFor(
  content: JsonObject | undefined,
  contentType: string | undefined,
  primary: unknown,
): unknown {
  if (content === undefined) return primary;
  const declared = contentType === undefined ? undefined : declaredType(content, contentType);
  const name = declared ?? (content['*/*'] === undefined ? undefined : '*/*');
  return name === undefined ? primary : memberOf(content[name], 'schema');
}

/** Under which name a media type is declared: the longest that it contains, or the one of any type. */
export function declaredType(content: JsonObject, contentType: string): string | undefined {
  const lower = contentType.toLowerCase();
  const fitting = Object.keys(content).filter((name) => lower.includes(name.toLowerCase()));
  fitting.sort((a, b) => b.length - a.length);
  return fitting[0] ?? Object.keys(content).find((name) => name === '*/*');
}

function isJson(lowerType: string): boolean {
  return lowerType.includes('application/json') || lowerType.includes('+json');
}

function jsonBody(
  text: string,
  schema: unknown,
  referenceNames: ReferenceNames,
): ReadBody | string {
  const read = readJson(text);
  if (read.problem !== undefined) return `invalid JSON body: ${read.problem}`;
  const { value } = read;
  const problems = readOnlyProblems(value, schema);
  const chosen = isObject(schema) ? discriminated(schema, value, referenceNames) : undefined;
  if (typeof chosen === 'string') return { value, schema, problems: [...problems, chosen] };
  return { value, schema: chosen ?? schema, problems };
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

/** The last one of a name counts. */
function formFields(text: string): JsonObject {
  const fields = Object.create(null) as JsonObject;
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = equals === -1 ? pair : pair.slice(0, equals);
    fields[decodeFormText(name)] = equals === -1 ? '' : decodeFormText(pair.slice(equals + 1));
  }
  return fields;
}

function coerceFields(fields: JsonObject, schema: unknown): JsonObject {
  const properties = memberOf(schema, 'properties');
  for (const [name, value] of Object.entries(fields)) {
    const type = memberOf(memberOf(properties, name), 'type');
    if (typeof value === 'string') fields[name] = fieldValue(value, type);
  }
  return fields;
}

function fieldValue(text: string, type: unknown): unknown {
  switch (type) {
    case 'integer':
    case 'number': {
      const number = text.trim() === '' ? Number.NaN : Number(text);
      return Number.isNaN(number) ? text : number;
    }
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'object':
    case 'array':
      return jsonOr(text);
    default:
      return text;
  }
}

function readOnlyProblems(value: unknown, schema: unknown): readonly string[] {
  const properties = memberOf(schema, 'properties');
  if (!isObject(value) || !isObject(properties)) return [];
  return Object.entries(properties)
    .filter(([name, one]) => memberOf(one, 'readOnly') === true && Object.hasOwn(value, name))
    .map(
      ([name]) =>
        `body parameter '${name}': readOnly property '${name}' should not be sent in request`,
    );
}

/** As a message and a mapping have it. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The branch that the body says it is of, or why there is none; undefined: nothing tells branches apart. */
function discriminated(
  schema: JsonObject,
  value: unknown,
  referenceNames: ReferenceNames,
): unknown {
  const name = memberOf(schema['discriminator'], 'propertyName');
  const branches = listOf(schema['oneOf'] ?? schema['anyOf']);
  if (typeof name !== 'string' || branches.length === 0) return undefined;
  const given = memberOf(value, name);
  if (given === undefined) return `body: discriminator property '${name}' is missing`;
  const target = memberOf(memberOf(schema['discriminator'], 'mapping'), textOf(given));
  const isMapped = (branch: unknown) => isObject(branch) && referenceNames.get(branch) === target;
  const takes = (branch: unknown) =>
    listOf(memberOf(memberOf(memberOf(branch, 'properties'), name), 'enum')).includes(given);
  const withParts = (test: (branch: unknown) => boolean) => (branch: unknown) =>
    test(branch) || listOf(memberOf(branch, 'allOf')).some(test);
  return (
    (target === undefined ? undefined : branches.find(withParts(isMapped))) ??
    branches.find(withParts(takes)) ??
    `body: discriminator value '${textOf(given)}' does not match any schema`
  );
}
