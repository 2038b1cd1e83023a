import { LayeredMap } from './layered-map.ts';
import { emptyPathIndex } from './path-index.ts';
import { hostMatches } from './route-request.ts';
import type { CandidateChange, PathIndex } from './path-index.ts';
import type { RouteCandidate, RouteMatch, RouteRequest } from './route-request.ts';

export type RouterMode = 'radixtree_host_uri' | 'radixtree_uri' | 'radixtree_uri_with_parameter';

/** A route that comes, goes or changes: its candidates before and after. */
export interface RouteChange<T> {
  readonly before: readonly HostedCandidate<T>[];
  readonly after: readonly HostedCandidate<T>[];
}

/** A candidate below a host pattern; undefined: below no host. */
export interface HostedCandidate<T> {
  readonly host: string | undefined;
  readonly candidate: RouteCandidate<T>;
}

/**
 * Finds the route of a request. Immutable; `with` makes the next table, which shares what did not
 * change.
 *
 * In mode `radixtree_host_uri` (APISIX's default) hosts are groups: the exact host first, then
 * wildcards, longest first, then routes without a host; priority never crosses groups. In the modes
 * `radixtree_uri` and `radixtree_uri_with_parameter` there is one group, and hosts are a condition of
 * each candidate.
 */
export class RouteTable<T> {
  readonly #exactHosts: LayeredMap<PathIndex<T>>;
  readonly #wildcards: readonly { readonly suffix: string; readonly paths: PathIndex<T> }[];
  readonly #anyHost: PathIndex<T>;

  private constructor(
    exactHosts: LayeredMap<PathIndex<T>>,
    wildcards: readonly { readonly suffix: string; readonly paths: PathIndex<T> }[],
    anyHost: PathIndex<T>,
  ) {
    this.#exactHosts = exactHosts;
    this.#wildcards = wildcards;
    this.#anyHost = anyHost;
  }

  static empty<T>(): RouteTable<T> {
    return new RouteTable<T>(LayeredMap.empty(), [], emptyPathIndex());
  }

  match(request: RouteRequest): RouteMatch<T> | undefined {
    if (!this.#exactHosts.isEmpty) {
      const found = this.#exactHosts.get(request.host)?.match(request);
      if (found !== undefined) return matchOf(found, request.host);
    }
    for (const { suffix, paths } of this.#wildcards) {
      if (!request.host.endsWith(suffix)) continue;
      const found = paths.match(request);
      if (found !== undefined) return matchOf(found, `*${suffix}`);
    }
    const found = this.#anyHost.match(request);
    if (found === undefined) return undefined;
    return matchOf(
      found,
      found.hosts?.find((pattern) => hostMatches(pattern, request.host)),
    );
  }

  /** Everything that `match` would look at until one passes, in this order. */
  tries({ host, path }: Pick<RouteRequest, 'host' | 'path'>): readonly HostedCandidate<T>[] {
    const groups = [
      { host: host as string | undefined, paths: this.#exactHosts.get(host) },
      ...this.#wildcards
        .filter(({ suffix }) => host.endsWith(suffix))
        .map(({ suffix, paths }) => ({ host: `*${suffix}`, paths })),
      { host: undefined, paths: this.#anyHost },
    ];
    return groups.flatMap((group) =>
      (group.paths?.tries(path) ?? []).map((candidate) => ({ host: group.host, candidate })),
    );
  }

  with(changes: readonly RouteChange<T>[]): RouteTable<T> {
    const byHost = new Map<string | undefined, CandidateChange<T>[]>();
    const note = ({ host, candidate }: HostedCandidate<T>, remove: boolean): void => {
      const list = byHost.get(host);
      if (list === undefined) byHost.set(host, [{ candidate, remove }]);
      else list.push({ candidate, remove });
    };
    for (const { before, after } of changes) {
      for (const entry of before) note(entry, true);
      for (const entry of after) note(entry, false);
    }
    if (byHost.size === 0) return this;

    const anyHost = this.#anyHost.with(byHost.get(undefined) ?? []);
    byHost.delete(undefined);
    if (byHost.size === 0) return new RouteTable(this.#exactHosts, this.#wildcards, anyHost);
    return this.#withHosts(byHost as Map<string, CandidateChange<T>[]>, anyHost);
  }

  #withHosts(
    byHost: ReadonlyMap<string, readonly CandidateChange<T>[]>,
    anyHost: PathIndex<T>,
  ): RouteTable<T> {
    const exactHosts = new Map<string, PathIndex<T> | undefined>();
    const wildcards = new Map(this.#wildcards.map(({ suffix, paths }) => [suffix, paths]));
    for (const [host, changes] of byHost) {
      const isWildcard = host.startsWith('*');
      const key = isWildcard ? host.slice(1) : host;
      const former = isWildcard ? wildcards.get(key) : this.#exactHosts.get(key);
      const paths = (former ?? emptyPathIndex<T>()).with(changes);
      if (!isWildcard) exactHosts.set(key, paths.size === 0 ? undefined : paths);
      else if (paths.size === 0) wildcards.delete(key);
      else wildcards.set(key, paths);
    }
    const sorted = [...wildcards]
      .map(([suffix, paths]) => ({ suffix, paths }))
      .sort((a, b) => b.suffix.length - a.suffix.length);
    return new RouteTable(this.#exactHosts.with(exactHosts), sorted, anyHost);
  }
}

function matchOf<T>(
  { target, pattern }: RouteCandidate<T>,
  host: string | undefined,
): RouteMatch<T> {
  return { target, pattern, host };
}
