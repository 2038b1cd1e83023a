/** What matching looks at. */
export interface RouteRequest {
  readonly method: string;
  /** Lower case, without port; empty when there is none. */
  readonly host: string;
  /** Decoded and normalised. */
  readonly path: string;
  readonly clientAddress: string;
  readonly vars: { get(name: string): string | undefined };
}

/** One way into a route: a path pattern with the conditions beside it. */
export interface RouteCandidate<T> {
  readonly target: T;
  /** Route id: orders candidates that nothing else tells apart. */
  readonly id: string;
  readonly pattern: string;
  readonly priority: number;
  readonly createdIndex: number;
  /** Undefined: any. */
  readonly methods: ReadonlySet<string> | undefined;
  readonly clients: { has(address: string): boolean } | undefined;
  /** Only in router mode `radixtree_uri`, where hosts are one condition among others. */
  readonly hosts: readonly string[] | undefined;
  readonly condition: ((vars: RouteRequest['vars']) => boolean) | undefined;
}

export interface RouteMatch<T> {
  readonly target: T;
  /** The pattern that matched, as written in the route. */
  readonly pattern: string;
  /** The host pattern that matched; undefined for a route without hosts. */
  readonly host: string | undefined;
}

export function candidatePasses<T>(candidate: RouteCandidate<T>, request: RouteRequest): boolean {
  if (candidate.methods !== undefined && !candidate.methods.has(request.method)) return false;
  if (candidate.clients !== undefined && !candidate.clients.has(request.clientAddress)) {
    return false;
  }
  if (candidate.hosts !== undefined && !candidate.hosts.some((p) => hostMatches(p, request.host))) {
    return false;
  }
  return candidate.condition === undefined || candidate.condition(request.vars);
}

/** `pattern` is lower case; `*.example.com` takes any depth below, `*` takes all. */
export function hostMatches(pattern: string, host: string): boolean {
  return pattern.startsWith('*') ? host.endsWith(pattern.slice(1)) : pattern === host;
}

/** Priority, then the longer pattern, then the older route. */
export function compareCandidates<T>(a: RouteCandidate<T>, b: RouteCandidate<T>): number {
  return (
    b.priority - a.priority ||
    b.pattern.length - a.pattern.length ||
    a.createdIndex - b.createdIndex ||
    (a.id < b.id ? -1 : 1)
  );
}
