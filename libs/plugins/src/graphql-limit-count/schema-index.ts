/** What a cost needs to know of a schema. */
export interface SchemaIndex {
  readonly queryType: string;
  readonly mutationType: string;
  readonly types: ReadonlyMap<string, ReadonlyMap<string, FieldIndex>>;
}

export interface FieldIndex {
  /** Without what says that it is a list or never null. */
  readonly type: string | undefined;
  /** Of arguments that have one, as GraphQL writes it. */
  readonly defaults: ReadonlyMap<string, unknown>;
}

/** Types may be lists of lists that are never null. */
const WRAPPERS_MAX = 8;

function typeReference(depth: number): string {
  return depth === 0 ? 'kind name' : `kind name ofType { ${typeReference(depth - 1)} }`;
}

export const INTROSPECTION_QUERY = `query {
  __schema {
    queryType { name }
    mutationType { name }
    types {
      kind
      name
      fields {
        name
        args { name defaultValue type { ${typeReference(WRAPPERS_MAX)} } }
        type { ${typeReference(WRAPPERS_MAX)} }
      }
    }
  }
}`;

/** Of an introspection's answer; undefined where it is none. Source: introspection.lua, build_index. */
export function indexSchema(data: unknown): SchemaIndex | undefined {
  const schema = memberOf(data, '__schema');
  const listed = memberOf(schema, 'types');
  if (!Array.isArray(listed)) return undefined;
  const types = new Map<string, ReadonlyMap<string, FieldIndex>>();
  for (const type of listed) {
    const name = memberOf(type, 'name');
    const fields = memberOf(type, 'fields');
    if (typeof name === 'string' && Array.isArray(fields)) types.set(name, indexFields(fields));
  }
  const rootName = (root: string, byDefault: string): string => {
    const name = memberOf(memberOf(schema, root), 'name');
    return typeof name === 'string' ? name : byDefault;
  };
  return {
    queryType: rootName('queryType', 'Query'),
    mutationType: rootName('mutationType', 'Mutation'),
    types,
  };
}

function indexFields(listed: readonly unknown[]): ReadonlyMap<string, FieldIndex> {
  const fields = new Map<string, FieldIndex>();
  for (const field of listed) {
    const name = memberOf(field, 'name');
    if (typeof name !== 'string') continue;
    const defaults = new Map<string, unknown>();
    const args = memberOf(field, 'args');
    for (const argument of Array.isArray(args) ? args : []) {
      const value = memberOf(argument, 'defaultValue');
      if (value !== undefined && value !== null) {
        defaults.set(String(memberOf(argument, 'name')), value);
      }
    }
    fields.set(name, { type: namedType(memberOf(field, 'type')), defaults });
  }
  return fields;
}

function namedType(reference: unknown): string | undefined {
  for (let type = reference; type !== undefined && type !== null; type = memberOf(type, 'ofType')) {
    const name = memberOf(type, 'name');
    if (typeof name === 'string') return name;
  }
  return undefined;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
