import { LayeredMap } from './layered-map.ts';
import { candidatePasses, compareCandidates } from './route-request.ts';
import type { RouteCandidate, RouteRequest } from './route-request.ts';

/** A candidate that comes or goes. */
export interface CandidateChange<T> {
  readonly candidate: RouteCandidate<T>;
  readonly remove: boolean;
}

type Candidates<T> = readonly RouteCandidate<T>[];

/**
 * Candidates by path. An exact path beats any prefix, whatever the priority; among prefixes the
 * longest comes first; among candidates of one path `compareCandidates` decides. When none of a path
 * passes, the next shorter one is tried. Source: lua-resty-radixtree without parameters.
 */
export class PathIndex<T> {
  readonly #exact: LayeredMap<Candidates<T>>;
  readonly #prefixes: LayeredMap<Candidates<T>>;
  /** How many distinct prefixes there are of each length, longest first. */
  readonly #prefixLengths: readonly { readonly length: number; readonly count: number }[];
  readonly size: number;

  private constructor(
    exact: LayeredMap<Candidates<T>>,
    prefixes: LayeredMap<Candidates<T>>,
    prefixLengths: readonly { readonly length: number; readonly count: number }[],
    size: number,
  ) {
    this.#exact = exact;
    this.#prefixes = prefixes;
    this.#prefixLengths = prefixLengths;
    this.size = size;
  }

  static empty<T>(): PathIndex<T> {
    return new PathIndex<T>(LayeredMap.empty(), LayeredMap.empty(), [], 0);
  }

  match(request: RouteRequest): RouteCandidate<T> | undefined {
    const found = firstPassing(this.#exact.get(request.path), request);
    if (found !== undefined) return found;
    for (const { length } of this.#prefixLengths) {
      if (length > request.path.length) continue;
      const candidates = this.#prefixes.get(request.path.slice(0, length));
      const match = firstPassing(candidates, request);
      if (match !== undefined) return match;
    }
    return undefined;
  }

  /** A copy with these changes; what did not change is shared. */
  with(changes: readonly CandidateChange<T>[]): PathIndex<T> {
    const exact = new Map<string, Candidates<T> | undefined>();
    const prefixes = new Map<string, Candidates<T> | undefined>();
    const lengths = new Map(this.#prefixLengths.map(({ length, count }) => [length, count]));
    let size = this.size;

    for (const { candidate, remove } of changes) {
      const isPrefix = candidate.pattern.endsWith('*');
      const path = isPrefix ? candidate.pattern.slice(0, -1) : candidate.pattern;
      const [pending, stored] = isPrefix ? [prefixes, this.#prefixes] : [exact, this.#exact];
      const before = (pending.has(path) ? pending.get(path) : stored.get(path)) ?? [];
      const without = before.filter((other) => !sameEntry(other, candidate));
      const after = remove ? without : insertSorted(without, candidate);
      size += after.length - before.length;
      pending.set(path, after.length === 0 ? undefined : after);
      if (isPrefix && (before.length === 0) !== (after.length === 0)) {
        const count = (lengths.get(path.length) ?? 0) + (after.length === 0 ? -1 : 1);
        if (count === 0) lengths.delete(path.length);
        else lengths.set(path.length, count);
      }
    }

    const prefixLengths = [...lengths]
      .map(([length, count]) => ({ length, count }))
      .sort((a, b) => b.length - a.length);
    return new PathIndex(
      this.#exact.with(exact),
      this.#prefixes.with(prefixes),
      prefixLengths,
      size,
    );
  }
}

function firstPassing<T>(
  candidates: Candidates<T> | undefined,
  request: RouteRequest,
): RouteCandidate<T> | undefined {
  if (candidates === undefined) return undefined;
  for (const candidate of candidates) {
    if (candidatePasses(candidate, request)) return candidate;
  }
  return undefined;
}

function sameEntry<T>(a: RouteCandidate<T>, b: RouteCandidate<T>): boolean {
  return a.id === b.id && a.pattern === b.pattern;
}

function insertSorted<T>(list: Candidates<T>, candidate: RouteCandidate<T>): Candidates<T> {
  const at = list.findIndex((other) => compareCandidates(candidate, other) < 0);
  return at === -1 ? [...list, candidate] : list.toSpliced(at, 0, candidate);
}
