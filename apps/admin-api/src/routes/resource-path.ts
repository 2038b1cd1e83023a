/** Which object or collection a path names. */
export interface ResourcePath {
  /** The collection, as `routes` or `credentials`. */
  readonly kind: string;
  /** Where the store has the objects of the collection, as `/consumers/jack/credentials`. */
  readonly dir: string;
  /** Whose it is: a credential's consumer, a decoration's service. */
  readonly parent: string | undefined;
  /** What follows `dir` in the object's key: of secrets `vault/1`. */
  readonly id: string | undefined;
  /** Behind the id; without a leading slash. */
  readonly subPath: string;
}

/** Collections that objects have of their own. */
const SUB_COLLECTIONS: Readonly<Record<string, string>> = {
  consumers: 'credentials',
  services: 'graphql_cost_decorations',
};

/**
 * Reads what follows `/apisix/admin`: `<kind>[/<id>[/<sub path>]]`,
 * `consumers/<name>/credentials[/<id>]`, `services/<id>/graphql_cost_decorations[/<id>]` or
 * `secrets/<manager>[/<id>[/<sub path>]]`.
 * Source: run in apisix/admin/init.lua, split_typ_and_id in resource.lua.
 */
export function readResourcePath(segments: readonly string[]): ResourcePath {
  const [kind = '', first, second, third] = segments;
  if (second !== undefined && SUB_COLLECTIONS[kind] === second) {
    const dir = `/${kind}/${first}/${second}`;
    return { kind: second, dir, parent: first, id: third, subPath: '' };
  }
  const dir = `/${kind}`;
  if (kind === 'secrets') {
    const id = second === undefined ? undefined : `${first}/${second}`;
    return { kind, dir, parent: undefined, id, subPath: segments.slice(3).join('/') };
  }
  return { kind, dir, parent: undefined, id: first, subPath: segments.slice(2).join('/') };
}
