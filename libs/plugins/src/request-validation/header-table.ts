import type { JsonSchemaObject } from '@polygate/model';
import type { HeaderList } from '@polygate/plugin-sdk';

export type HeaderTable = Record<string, string | string[]>;

/**
 * Headers as an object for a schema: names in lower case, a list where a header is there more than
 * once; and again under the names that the schema writes in another way (`User-Agent`, `user_agent`),
 * since APISIX finds headers whatever the spelling.
 */
export function headerTable(headers: HeaderList, spellings: readonly Spelling[]): HeaderTable {
  // without prototype: a client may call a header __proto__
  const table = Object.create(null) as HeaderTable;
  for (let i = 0; i < headers.size; i++) {
    const name = headers.lowerNameAt(i);
    const value = headers.valueAt(i);
    const before = table[name];
    if (before === undefined) table[name] = value;
    else if (typeof before === 'string') table[name] = [before, value];
    else before.push(value);
  }
  for (const { written, header } of spellings) {
    const value = table[header];
    if (value !== undefined) table[written] = value;
  }
  return table;
}

export interface Spelling {
  readonly written: string;
  /** The header's name in lower case. */
  readonly header: string;
}

const COMBINATORS = ['allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else'];

/** The names in a schema of headers that are not written in lower case with hyphens. */
export function spellingsIn(schema: JsonSchemaObject): readonly Spelling[] {
  const names = new Set<string>();
  collectNames(schema, names);
  return [...names].flatMap((written) => {
    const header = written.toLowerCase().replaceAll('_', '-');
    return header === written ? [] : [{ written, header }];
  });
}

function collectNames(schema: unknown, names: Set<string>): void {
  if (typeof schema !== 'object' || schema === null) return;
  const { properties, required, dependencies, ...rest } = schema as JsonSchemaObject;
  for (const listed of [properties, dependencies]) {
    for (const name of Object.keys(listed ?? {})) names.add(name);
  }
  const lists: readonly unknown[] = Object.values(dependencies ?? {});
  for (const list of [required, ...lists]) {
    if (Array.isArray(list)) for (const name of list as readonly unknown[]) names.add(String(name));
    else collectNames(list, names);
  }
  for (const combinator of COMBINATORS) {
    const inner = rest[combinator];
    if (Array.isArray(inner)) for (const one of inner) collectNames(one, names);
    else collectNames(inner, names);
  }
}
