import { LayeredMap } from './layered-map.ts';
import { candidatePasses, compareCandidates } from './route-request.ts';
import type { RouteCandidate, RouteRequest } from './route-request.ts';
import { addToHash, emptyHash } from './text-table.ts';

/** A candidate that comes or goes. */
export interface CandidateChange<T> {
  readonly candidate: RouteCandidate<T>;
  readonly remove: boolean;
}

/** What one path leads to: nearly always one candidate, which then needs no list around it. */
type Candidates<T> = RouteCandidate<T> | readonly RouteCandidate<T>[];

interface PrefixLength {
  readonly length: number;
  readonly count: number;
}

/** Up to so many are scanned: most hosts have few routes, and maps take a kilobyte a host. */
const FEW_MAX = 8;
const STAR = 42;

/**
 * Candidates by path. An exact path beats any prefix, whatever the priority; among prefixes the
 * longest comes first; among candidates of one path `compareCandidates` decides. When none of a path
 * passes, the next shorter one is tried. Source: lua-resty-radixtree without parameters.
 */
export interface PathIndex<T> {
  readonly size: number;
  match(request: RouteRequest): RouteCandidate<T> | undefined;
  /** Everything that `match` would look at until one passes, in this order. */
  tries(path: string): readonly RouteCandidate<T>[];
  /** A copy with these changes; what did not change is shared. */
  with(changes: readonly CandidateChange<T>[]): PathIndex<T>;
}

export function emptyPathIndex<T>(): PathIndex<T> {
  return EMPTY as PathIndex<T>;
}

/** Most hosts of a gateway with very many have one path. */
class OnePath<T> implements PathIndex<T> {
  readonly #candidate: RouteCandidate<T>;

  constructor(candidate: RouteCandidate<T>) {
    this.#candidate = candidate;
  }

  get size(): number {
    return 1;
  }

  match(request: RouteRequest): RouteCandidate<T> | undefined {
    const candidate = this.#candidate;
    const isMatch = beginsAs(candidate, request.path) && candidatePasses(candidate, request);
    return isMatch ? candidate : undefined;
  }

  tries(path: string): readonly RouteCandidate<T>[] {
    return beginsAs(this.#candidate, path) ? [this.#candidate] : [];
  }

  with(changes: readonly CandidateChange<T>[]): PathIndex<T> {
    return new FewPaths([this.#candidate]).with(changes);
  }
}

/** All candidates in the order in which they are tried. */
class FewPaths<T> implements PathIndex<T> {
  readonly #inOrder: readonly RouteCandidate<T>[];

  constructor(inOrder: readonly RouteCandidate<T>[]) {
    this.#inOrder = inOrder;
  }

  get size(): number {
    return this.#inOrder.length;
  }

  match(request: RouteRequest): RouteCandidate<T> | undefined {
    for (const candidate of this.#inOrder) {
      if (beginsAs(candidate, request.path) && candidatePasses(candidate, request)) {
        return candidate;
      }
    }
    return undefined;
  }

  tries(path: string): readonly RouteCandidate<T>[] {
    return this.#inOrder.filter((candidate) => beginsAs(candidate, path));
  }

  with(changes: readonly CandidateChange<T>[]): PathIndex<T> {
    if (this.#inOrder.length + changes.length > 2 * FEW_MAX) {
      const all = this.#inOrder.map((candidate) => ({ candidate, remove: false }));
      return ManyPaths.empty<T>().with([...all, ...changes]);
    }
    let inOrder = this.#inOrder;
    for (const { candidate, remove } of changes) {
      const without = inOrder.filter((other) => !sameEntry(other, candidate));
      inOrder = remove ? without : insertSorted(without, candidate, compareTries);
    }
    const [first] = inOrder;
    if (inOrder.length === 1 && first !== undefined) return new OnePath(first);
    if (inOrder.length <= FEW_MAX) return new FewPaths(inOrder);
    return ManyPaths.empty<T>().with(inOrder.map((candidate) => ({ candidate, remove: false })));
  }
}

const EMPTY: PathIndex<unknown> = new FewPaths<unknown>([]);

class ManyPaths<T> implements PathIndex<T> {
  readonly #exact: LayeredMap<Candidates<T>>;
  readonly #prefixes: LayeredMap<Candidates<T>>;
  /** How many distinct prefixes there are of each length, longest first. */
  readonly #prefixLengths: readonly PrefixLength[];
  readonly size: number;

  private constructor(
    exact: LayeredMap<Candidates<T>>,
    prefixes: LayeredMap<Candidates<T>>,
    { prefixLengths, size }: { prefixLengths: readonly PrefixLength[]; size: number },
  ) {
    this.#exact = exact;
    this.#prefixes = prefixes;
    this.#prefixLengths = prefixLengths;
    this.size = size;
  }

  static empty<T>(): ManyPaths<T> {
    return new ManyPaths<T>(LayeredMap.empty(), LayeredMap.empty(), { prefixLengths: [], size: 0 });
  }

  match(request: RouteRequest): RouteCandidate<T> | undefined {
    const { path } = request;
    const found = firstPassing(this.#exact.get(path), request);
    if (found !== undefined) return found;
    const lengths = this.#prefixLengths;
    const longest = hashPrefixes(path, lengths);
    for (let i = longest; i < lengths.length; i++) {
      const { length } = lengths[i] as PrefixLength;
      const candidates = this.#prefixes.getBeginning(path, length, prefixHashes[i] as number);
      const match = firstPassing(candidates, request);
      if (match !== undefined) return match;
    }
    return undefined;
  }

  tries(path: string): readonly RouteCandidate<T>[] {
    const prefixes = this.#prefixLengths
      .filter(({ length }) => length <= path.length)
      .flatMap(({ length }) => listOf(this.#prefixes.get(path.slice(0, length))));
    return [...listOf(this.#exact.get(path)), ...prefixes];
  }

  with(changes: readonly CandidateChange<T>[]): PathIndex<T> {
    const exact = new Map<string, Candidates<T> | undefined>();
    const prefixes = new Map<string, Candidates<T> | undefined>();
    const lengths = new Map(this.#prefixLengths.map(({ length, count }) => [length, count]));
    let size = this.size;

    for (const { candidate, remove } of changes) {
      const isPrefix = isPrefixPattern(candidate);
      const path = isPrefix ? flatPrefix(candidate) : candidate.pattern;
      const [pending, stored] = isPrefix ? [prefixes, this.#prefixes] : [exact, this.#exact];
      const before = listOf(pending.has(path) ? pending.get(path) : stored.get(path));
      const without = before.filter((other) => !sameEntry(other, candidate));
      const after = remove ? without : insertSorted(without, candidate, compareCandidates);
      size += after.length - before.length;
      pending.set(path, after.length > 1 ? after : after[0]);
      if (isPrefix && (before.length === 0) !== (after.length === 0)) {
        const count = (lengths.get(path.length) ?? 0) + (after.length === 0 ? -1 : 1);
        if (count === 0) lengths.delete(path.length);
        else lengths.set(path.length, count);
      }
    }

    if (size === 0) return emptyPathIndex();
    const prefixLengths = [...lengths]
      .map(([length, count]) => ({ length, count }))
      .sort((a, b) => b.length - a.length);
    return new ManyPaths(this.#exact.with(exact), this.#prefixes.with(prefixes), {
      prefixLengths,
      size,
    });
  }
}

/** By place in the list of lengths: those of the path that was looked at last. */
const prefixHashes: number[] = [];

/** Hashes the path's beginnings in one pass. The place of the longest that the path has. */
function hashPrefixes(path: string, lengths: readonly PrefixLength[]): number {
  let hash = emptyHash();
  let from = 0;
  for (let i = lengths.length - 1; i >= 0; i--) {
    const { length } = lengths[i] as PrefixLength;
    if (length > path.length) return i + 1;
    hash = addToHash(hash, path, from, length);
    prefixHashes[i] = hash;
    from = length;
  }
  return 0;
}

function firstPassing<T>(
  candidates: Candidates<T> | undefined,
  request: RouteRequest,
): RouteCandidate<T> | undefined {
  if (candidates === undefined) return undefined;
  if (!isList(candidates)) return candidatePasses(candidates, request) ? candidates : undefined;
  for (const candidate of candidates) {
    if (candidatePasses(candidate, request)) return candidate;
  }
  return undefined;
}

function isList<T>(candidates: Candidates<T>): candidates is readonly RouteCandidate<T>[] {
  return Array.isArray(candidates);
}

function listOf<T>(candidates: Candidates<T> | undefined): readonly RouteCandidate<T>[] {
  if (candidates === undefined) return [];
  return isList(candidates) ? candidates : [candidates];
}

function isPrefixPattern<T>({ pattern, conditions }: RouteCandidate<T>): boolean {
  return conditions?.parameters !== undefined || pattern.endsWith('*');
}

/** Whether the path has the text that the pattern begins with; parameters are a condition. */
export function beginsAs<T>(candidate: RouteCandidate<T>, path: string): boolean {
  const { pattern, conditions } = candidate;
  const parameters = conditions?.parameters;
  if (parameters !== undefined) return path.startsWith(parameters.prefix);
  const last = pattern.length - 1;
  if (pattern.charCodeAt(last) !== STAR) return path === pattern;
  if (path.length < last) return false;
  // what slice() makes would have to be collected
  for (let i = 0; i < last; i++) {
    if (path.charCodeAt(i) !== pattern.charCodeAt(i)) return false;
  }
  return true;
}

function prefixLength<T>({ pattern, conditions }: RouteCandidate<T>): number {
  const parameters = conditions?.parameters;
  return parameters === undefined ? pattern.length - 1 : parameters.prefix.length;
}

/**
 * What comes before the star or parameter, as a string of its own: V8 would make it a view of the
 * pattern, and each comparison in a large map one more access to cold memory.
 */
function flatPrefix<T>(candidate: RouteCandidate<T>): string {
  return Buffer.from(candidate.pattern.slice(0, prefixLength(candidate))).toString();
}

function sameEntry<T>(a: RouteCandidate<T>, b: RouteCandidate<T>): boolean {
  return a.id === b.id && a.pattern === b.pattern;
}

/** Exact paths, then longer before shorter prefixes, then the order within one path. */
function compareTries<T>(a: RouteCandidate<T>, b: RouteCandidate<T>): number {
  const [aIsPrefix, bIsPrefix] = [isPrefixPattern(a), isPrefixPattern(b)];
  if (aIsPrefix !== bIsPrefix) return aIsPrefix ? 1 : -1;
  const byLength = aIsPrefix ? prefixLength(b) - prefixLength(a) : 0;
  return byLength || compareCandidates(a, b);
}

function insertSorted<T>(
  list: readonly RouteCandidate<T>[],
  candidate: RouteCandidate<T>,
  compare: (a: RouteCandidate<T>, b: RouteCandidate<T>) => number,
): readonly RouteCandidate<T>[] {
  const at = list.findIndex((other) => compare(candidate, other) < 0);
  return at === -1 ? [...list, candidate] : list.toSpliced(at, 0, candidate);
}
