import type { ConditionVars } from './compile-condition.ts';
import type { PathParameters } from './path-parameters.ts';

/** What matching looks at. */
export interface RouteRequest {
  readonly method: string;
  /** Lower case, without port; empty when there is none. */
  readonly host: string;
  /** Decoded and normalised. */
  readonly path: string;
  readonly clientAddress: string;
  readonly vars: ConditionVars;
}

/** One way into a route: a path pattern with the conditions beside it. */
export interface RouteCandidate<T> {
  readonly target: T;
  readonly pattern: string;
  /** Undefined: any. */
  readonly methods: ReadonlySet<string> | undefined;
  /** Undefined: nothing else is asked. Apart, for few routes have any, and there may be very many. */
  readonly conditions: RareConditions | undefined;
  /** The host pattern below which it stands; undefined: below none. */
  readonly host: string | undefined;
  readonly priority: number;
  readonly createdIndex: number;
  /** Route id: orders candidates that nothing else tells apart. */
  readonly id: string;
}

export interface RareConditions {
  /** Undefined: the pattern is plain text, with a star at its end or without. */
  readonly parameters: PathParameters | undefined;
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

/** What a candidate may ask for beside its host group and the text of its pattern. */
export type RouteCondition = 'method' | 'remote_addr' | 'host' | 'vars' | 'uri';

/** All conditions hold. */
export function candidatePasses<T>(candidate: RouteCandidate<T>, request: RouteRequest): boolean {
  if (!methodPasses(candidate, request)) return false;
  return (
    candidate.conditions === undefined ||
    (clientPasses(candidate, request) &&
      hostPasses(candidate, request) &&
      varsPass(candidate, request) &&
      parametersPass(candidate, request))
  );
}

/** Which of them do not. */
export function failedConditions<T>(
  candidate: RouteCandidate<T>,
  request: RouteRequest,
): RouteCondition[] {
  return CONDITIONS.filter(([, passes]) => !passes(candidate, request)).map(([name]) => name);
}

type Passes = (candidate: RouteCandidate<unknown>, request: RouteRequest) => boolean;

const CONDITIONS: readonly (readonly [RouteCondition, Passes])[] = [
  ['method', methodPasses],
  ['remote_addr', clientPasses],
  ['host', hostPasses],
  ['vars', varsPass],
  ['uri', parametersPass],
];

function methodPasses<T>({ methods }: RouteCandidate<T>, { method }: RouteRequest): boolean {
  return methods === undefined || methods.has(method);
}

function clientPasses<T>({ conditions }: RouteCandidate<T>, request: RouteRequest): boolean {
  const clients = conditions?.clients;
  return clients === undefined || clients.has(request.clientAddress);
}

function hostPasses<T>({ conditions }: RouteCandidate<T>, request: RouteRequest): boolean {
  const hosts = conditions?.hosts;
  return hosts === undefined || findHost(hosts, request) !== undefined;
}

/**
 * The first pattern that takes the request's host; one with a colon in it is held against the whole
 * Host header, port included (match_route_opts of lua-resty-radixtree).
 */
export function findHost(hosts: readonly string[], request: RouteRequest): string | undefined {
  return hosts.find((pattern) => hostMatches(pattern, comparedHost(pattern, request)));
}

function comparedHost(pattern: string, { host, vars }: RouteRequest): string {
  if (!pattern.includes(':')) return host;
  return vars.get('http_host')?.toLowerCase() ?? host;
}

function varsPass<T>({ conditions }: RouteCandidate<T>, { vars }: RouteRequest): boolean {
  const condition = conditions?.condition;
  return condition === undefined || condition(vars);
}

function parametersPass<T>({ conditions }: RouteCandidate<T>, { path }: RouteRequest): boolean {
  const parameters = conditions?.parameters;
  return parameters === undefined || parameters.capture(path) !== undefined;
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
