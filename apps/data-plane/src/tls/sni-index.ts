/** Something that is served under names; `*.example.com` stands for one label more. */
export interface Named {
  /** Without a final dot, in lower case. */
  readonly names: readonly string[];
  /** The names stood in a list (`snis`), where a lone `*` means something else. */
  readonly isList: boolean;
}

/**
 * Finds what a server name stands for, as APISIX does: the exact name first; then the wildcard with
 * the longest fixed part decides alone, and what it stands for must not contain a dot. So where there
 * is `*.b.com`, a lone `*` is not asked for `x.y.b.com`. A lone `*` takes every name, in a list only
 * those without a dot. Of two with one name the first has it. Sources: create_router and match_and_set
 * of apisix/ssl/router/radixtree_sni.lua. Not taken over: there a name that a wildcard matches by too
 * many labels passes if the object's list has any other name that is longer.
 */
export class SniIndex<T extends Named> {
  readonly #exact = new Map<string, T>();
  /** By what follows the `*`. */
  readonly #wildcards = new Map<string, T>();
  /** Longest first. */
  readonly #suffixLengths: readonly number[];

  constructor(entries: Iterable<T>) {
    for (const entry of entries) {
      for (const name of entry.names) {
        const [known, key] = name.startsWith('*')
          ? [this.#wildcards, name.slice(1)]
          : [this.#exact, name];
        if (!known.has(key)) known.set(key, entry);
      }
    }
    const lengths = new Set([...this.#wildcards.keys()].map(({ length }) => length));
    this.#suffixLengths = [...lengths].sort((a, b) => b - a);
  }

  /** `name`: without a final dot, in lower case. */
  find(name: string): T | undefined {
    const exact = this.#exact.get(name);
    if (exact !== undefined) return exact;
    for (const length of this.#suffixLengths) {
      if (length > name.length) continue;
      const start = name.length - length;
      const entry = this.#wildcards.get(name.slice(start));
      if (entry === undefined) continue;
      const takesAll = length === 0 && !entry.isList;
      return takesAll || !name.slice(0, start).includes('.') ? entry : undefined;
    }
    return undefined;
  }
}

/** As names are compared: in lower case, without a final dot. */
export function comparableName(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}
