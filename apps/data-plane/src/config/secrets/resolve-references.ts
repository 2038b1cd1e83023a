import { isSecretReference } from '@polygate/model';

/** What a reference stands for, or why that is not known. */
export type Resolution = { readonly value: unknown } | { readonly reason: string };
export type ResolveReference = (reference: string) => Resolution;

export interface UnresolvedReference {
  readonly reference: string;
  /** The name of the field, or the place in its list. */
  readonly field: string;
  readonly reason: string;
}

export interface ResolvedValue<T> {
  /** The value itself when nothing in it is a reference; otherwise a copy of what leads to one. */
  readonly value: T;
  /** These stay as they are. */
  readonly unresolved: readonly UnresolvedReference[];
}

/**
 * Replaces every text that refers to a secret, wherever in the value it stands. Source:
 * retrieve_refs of apisix/secret.lua.
 */
export function resolveReferences<T>(value: T, resolve: ResolveReference): ResolvedValue<T> {
  const unresolved: UnresolvedReference[] = [];
  const replace = (at: unknown, field: string): unknown => {
    if (typeof at === 'string') {
      if (!isSecretReference(at)) return at;
      const resolution = resolve(at);
      if ('value' in resolution) return resolution.value;
      unresolved.push({ reference: at, field, reason: resolution.reason });
      return at;
    }
    if (typeof at !== 'object' || at === null) return at;
    return Array.isArray(at) ? replaceItems(at, replace) : replaceMembers(at, replace);
  };
  return { value: replace(value, '') as T, unresolved };
}

type Replace = (value: unknown, field: string) => unknown;

function replaceItems(list: readonly unknown[], replace: Replace): readonly unknown[] {
  const replaced = list.map((item, i) => replace(item, String(i)));
  return replaced.every((item, i) => item === list[i]) ? list : replaced;
}

function replaceMembers(object: object, replace: Replace): object {
  const entries = Object.entries(object) as [string, unknown][];
  const replaced = entries.map(([name, member]) => [name, replace(member, name)] as const);
  const isSame = replaced.every(([, member], i) => member === entries[i]?.[1]);
  return isSame ? object : Object.fromEntries(replaced);
}
