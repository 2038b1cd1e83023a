import { LayeredMap } from './layered-map.ts';
import { emptyPathIndex } from './path-index.ts';
import { findHost } from './route-request.ts';
import type { CandidateChange, PathIndex } from './path-index.ts';
import type { RouteCandidate, RouteMatch, RouteRequest } from './route-request.ts';

export type RouterMode = 'radixtree_host_uri' | 'radixtree_uri' | 'radixtree_uri_with_parameter';

/** A route that comes, goes or changes: its candidates before and after. */
export interface RouteChange<T> {
  readonly before: readonly RouteCandidate<T>[];
  readonly after: readonly RouteCandidate<T>[];
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
      if (found !== undefined) return matchOf(found, found.host);
    }
    for (const { suffix, paths } of this.#wildcards) {
      if (!request.host.endsWith(suffix)) continue;
      const found = paths.match(request);
      if (found !== undefined) return matchOf(found, found.host);
    }
    const found = this.#anyHost.match(request);
    if (found === undefined) return undefined;
    const hosts = found.conditions?.hosts;
    return matchOf(found, hosts && findHost(hosts, request));
  }

  /** Everything that `match` would look at until one passes, in this order. */
  tries({ host, path }: Pick<RouteRequest, 'host' | 'path'>): readonly RouteCandidate<T>[] {
    const wildcards = this.#wildcards.filter(({ suffix }) => host.endsWith(suffix));
    const groups = [
      this.#exactHosts.get(host),
      ...wildcards.map(({ paths }) => paths),
      this.#anyHost,
    ];
    return groups.flatMap((paths) => paths?.tries(path) ?? []);
  }

  with(changes: readonly RouteChange<T>[]): RouteTable<T> {
    const byHost = new Map<string | undefined, CandidateChange<T>[]>();
    const note = (candidate: RouteCandidate<T>, remove: boolean): void => {
      const list = byHost.get(candidate.host);
      if (list === undefined) byHost.set(candidate.host, [{ candidate, remove }]);
      else list.push({ candidate, remove });
    };
    for (const { before, after } of changes) {
      for (const candidate of before) note(candidate, true);
      for (const candidate of after) note(candidate, false);
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
