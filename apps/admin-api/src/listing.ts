import type { StoredItem } from '@polygate/config-store';
import { compilePattern, ConfigError } from '@polygate/model';
import { isJsonObject, type JsonObject } from './json-object.ts';

/** Query arguments; of repeated ones the last counts. */
export type Arguments = Readonly<Record<string, string | undefined>>;

const PAGE_SIZE_MIN = 10;
const PAGE_SIZE_MAX = 500;

/**
 * The objects that `name` and `uri` (patterns), `label` (a label's key) and `filter` (`field=value`
 * pairs, encoded as a query) ask for. A pattern that does not compile finds nothing, and a field
 * that cannot be filtered by is passed over. Source: filter in apisix/admin/v3_adapter.lua.
 */
export function filterItems(
  items: readonly StoredItem[],
  args: Arguments,
  filterFields: readonly string[],
): StoredItem[] {
  const conditions: ((value: JsonObject) => boolean)[] = [];
  const { name, uri, label, filter } = args;
  if (name !== undefined) {
    const matches = matcher(name);
    conditions.push((value) => matches(value['name']));
  }
  if (label !== undefined) {
    conditions.push(({ labels }) => isJsonObject(labels) && Object.hasOwn(labels, label));
  }
  if (uri !== undefined) {
    const matches = matcher(uri);
    conditions.push(
      ({ uri: one, uris: many }) => matches(one) || (Array.isArray(many) && many.some(matches)),
    );
  }
  for (const [field, wanted] of new URLSearchParams(filter ?? '')) {
    if (!filterFields.includes(field)) continue;
    // ids may be stored as numbers
    conditions.push((value) => isId(value[field]) && String(value[field]) === wanted);
  }
  return items.filter(
    ({ value }) => isJsonObject(value) && conditions.every((holds) => holds(value)),
  );
}

function isId(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}

function matcher(pattern: string): (text: unknown) => boolean {
  try {
    const compiled = compilePattern(pattern);
    const { subjectCharsMax } = compiled;
    return (text) =>
      typeof text === 'string' && text.length <= subjectCharsMax && compiled.test(text);
  } catch (error) {
    if (error instanceof ConfigError) return () => false;
    throw error;
  }
}

/**
 * The page that `page` and `page_size` ask for; everything unless both are numbers. Undefined when
 * the size is out of bounds.
 */
export function pageOf(
  items: readonly StoredItem[],
  args: Arguments,
): readonly StoredItem[] | undefined {
  const asked = Number(args['page'] || Number.NaN);
  const size = Number(args['page_size'] || Number.NaN);
  if (Number.isNaN(asked) || Number.isNaN(size)) return items;
  if (size < PAGE_SIZE_MIN || size > PAGE_SIZE_MAX) return undefined;
  const page = Math.max(asked, 1);
  const sorted = items.toSorted((a, b) => a.createdIndex - b.createdIndex);
  return sorted.slice((page - 1) * size, page * size);
}

export const PAGE_SIZE_REFUSAL = `page_size must be between ${PAGE_SIZE_MIN} and ${PAGE_SIZE_MAX}`;

export function readArguments(query: Readonly<Record<string, string | string[] | undefined>>) {
  const last = (value: string | string[] | undefined) =>
    Array.isArray(value) ? value.at(-1) : value;
  const entries = Object.entries(query).map(([name, value]) => [name, last(value)] as const);
  return Object.fromEntries(entries) as Arguments;
}
