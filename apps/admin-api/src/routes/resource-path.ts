/** Which object or collection a path names. */
export interface ResourcePath {
  /** The collection, as `routes` or `credentials`. */
  readonly kind: string;
  /** Where the store has the objects of the collection, as `/consumers/jack/credentials`. */
  readonly dir: string;
  /** Of credentials: the consumer's name. */
  readonly consumer: string | undefined;
  /** What follows `dir` in the object's key: of secrets `vault/1`. */
  readonly id: string | undefined;
  /** Behind the id; without a leading slash. */
  readonly subPath: string;
}

/**
 * Reads what follows `/apisix/admin`: `<kind>[/<id>[/<sub path>]]`,
 * `consumers/<name>/credentials[/<id>]` or `secrets/<manager>[/<id>[/<sub path>]]`.
 * Source: run in apisix/admin/init.lua, split_typ_and_id in resource.lua.
 */
export function readResourcePath(segments: readonly string[]): ResourcePath {
  const [kind = '', first, second, third] = segments;
  if (kind === 'consumers' && second === 'credentials') {
    const dir = `/consumers/${first}/credentials`;
    return { kind: 'credentials', dir, consumer: first, id: third, subPath: '' };
  }
  const dir = `/${kind}`;
  if (kind === 'secrets') {
    const id = second === undefined ? undefined : `${first}/${second}`;
    return { kind, dir, consumer: undefined, id, subPath: segments.slice(3).join('/') };
  }
  return { kind, dir, consumer: undefined, id: first, subPath: segments.slice(2).join('/') };
}
