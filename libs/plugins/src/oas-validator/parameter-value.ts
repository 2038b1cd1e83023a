import { luaToNumber } from '@polygate/model';
import { isObject, listOf, memberOf, type JsonObject } from './json-object.ts';

/** Of a query: true for a name without `=`; a list for one that comes again. */
export type RawValue = string | true | readonly (string | true)[];

export type RawValues = ReadonlyMap<string, RawValue>;

/**
 * What a parameter says, by its `style` and `explode` and with the types of its schema; undefined: it
 * says nothing. Source: lua-resty-openapi-validator, params.lua, deserialize_param.
 */
export function parameterValue(raw: RawValue, parameter: JsonObject, query: RawValues): unknown {
  const json = memberOf(memberOf(parameter['content'], 'application/json'), 'schema');
  if (json !== undefined && typeof raw === 'string') {
    const decoded = decodeJson(raw);
    if (decoded !== undefined) return decoded;
  }
  const { schema } = parameter;
  if (!isObject(schema)) return raw;
  const style = styleOf(parameter);
  const explode = parameter['explode'] ?? style === 'form';
  const { type } = schema;
  const branches = [...listOf(schema['anyOf']), ...listOf(schema['oneOf'])];
  if (style === 'deepObject' && type !== 'object' && branches.length > 0) {
    return branchValue(parameter, schema, branches, query);
  }
  if (type === 'array') return listValue(raw, schema, { style, explode: explode === true });
  if (type !== 'object') return coerced(raw, schema);
  if (style === 'deepObject') return deepObject(String(parameter['name']), query, schema);
  if (style === 'simple' && typeof raw === 'string') {
    return coerceMembers(explode === true ? explodedObject(raw) : pairedObject(raw), schema);
  }
  return raw;
}

export function styleOf({ style, in: place }: JsonObject): unknown {
  return style ?? (place === 'query' ? 'form' : 'simple');
}

/** Undefined for what is no JSON. */
export function decodeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function branchValue(
  parameter: JsonObject,
  schema: JsonObject,
  branches: readonly unknown[],
  query: RawValues,
): unknown {
  const name = String(parameter['name']);
  for (const branch of branches) {
    if (!isObject(branch) || !typesIn(branch).has('object')) continue;
    const found = deepObject(name, query, branch);
    if (found !== undefined) return found;
  }
  const plain = query.get(name);
  return plain === undefined ? undefined : coerced(firstOf(plain), schema);
}

const DELIMITERS: Readonly<Record<string, string>> = {
  simple: ',',
  form: ',',
  pipeDelimited: '|',
  spaceDelimited: ' ',
};

function listValue(
  raw: RawValue,
  schema: JsonObject,
  { style, explode }: { readonly style: unknown; readonly explode: boolean },
): readonly unknown[] {
  const delimiter = DELIMITERS[String(style)];
  const isWhole = delimiter === undefined || (style === 'form' && explode);
  const given: readonly (string | true)[] = Array.isArray(raw) ? raw : [raw as string | true];
  const values = isWhole ? given : given.map(String).join(delimiter).split(delimiter);
  const items = isObject(schema['items']) ? schema['items'] : {};
  return values.map((value) => coerced(value, items));
}

/** `param[key]=value`, `param[key][inner]=value`. */
function deepObject(name: string, query: RawValues, schema: JsonObject): JsonObject | undefined {
  // without prototypes: clients choose the names
  const found = Object.create(null) as JsonObject;
  let isThere = false;
  for (const [key, value] of query) {
    if (!key.startsWith(`${name}[`)) continue;
    isThere = true;
    const path = Array.from(key.matchAll(/\[([^\]]+)\]/g), ([, part = '']) => part);
    const last = path.pop();
    if (last === undefined) continue;
    let current = found;
    for (const part of path) {
      const inner = current[part];
      const next = isObject(inner) ? inner : (Object.create(null) as JsonObject);
      current[part] = next;
      current = next;
    }
    current[last] = firstOf(value);
  }
  if (!isThere) return undefined;
  coerceMembers(found, schema);
  for (const [property, inner] of Object.entries(propertiesOf(schema))) {
    const member = found[property];
    if (isObject(member) && isObject(inner) && inner['type'] === 'object') {
      coerceMembers(member, inner);
    }
  }
  return found;
}

/** `a,1,b,2` */
function pairedObject(raw: string): JsonObject {
  const object = Object.create(null) as JsonObject;
  const parts = raw.split(',');
  for (let i = 0; i + 1 < parts.length; i += 2) object[parts[i] ?? ''] = parts[i + 1];
  return object;
}

/** `a=1,b=2` */
function explodedObject(raw: string): JsonObject {
  const object = Object.create(null) as JsonObject;
  for (const part of raw.split(',')) {
    const [name = '', value, ...more] = part.split('=');
    if (value !== undefined && more.length === 0) object[name] = value;
  }
  return object;
}

function coerceMembers(object: JsonObject, schema: JsonObject): JsonObject {
  for (const [name, member] of Object.entries(propertiesOf(schema))) {
    const value = object[name];
    if (typeof value === 'string' && isObject(member)) object[name] = coerced(value, member);
  }
  return object;
}

function propertiesOf({ properties }: JsonObject): JsonObject {
  return isObject(properties) ? properties : {};
}

function firstOf(value: RawValue): string | true {
  return typeof value === 'object' ? (value[0] ?? '') : value;
}

/** A text as the number or truth value that its schema wants, if it is one. */
function coerced(value: unknown, schema: JsonObject): unknown {
  if (typeof value !== 'string') return value;
  const { type } = schema;
  const types = type === undefined ? [...typesIn(schema)] : [type].flat();
  // without a type of its own a schema may have both in its branches: then a truth value comes first
  if (type === undefined) types.sort();
  for (const one of types) {
    const found = one === 'boolean' ? toBoolean(value) : toNumber(value, one);
    if (found !== undefined) return found;
  }
  return value;
}

function toBoolean(text: string): boolean | undefined {
  if (text === 'true' || text === '1') return true;
  return text === 'false' || text === '0' ? false : undefined;
}

function toNumber(text: string, type: unknown): number | undefined {
  return type === 'integer' || type === 'number' ? luaToNumber(text) : undefined;
}

/** All types that a schema and its branches name. */
function typesIn(schema: JsonObject, seen: Set<object> = new Set()): ReadonlySet<unknown> {
  const types = new Set<unknown>();
  if (seen.has(schema)) return types;
  seen.add(schema);
  for (const type of [schema['type'] ?? []].flat()) types.add(type);
  for (const keyword of ['anyOf', 'oneOf', 'allOf']) {
    for (const branch of listOf(schema[keyword])) {
      if (!isObject(branch)) continue;
      for (const type of typesIn(branch, seen)) types.add(type);
    }
  }
  return types;
}
