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
  /** Route id: orders candidates that nothing else tells apart. */
  readonly id: string;
  readonly pattern: string;
  /** Undefined: the pattern is plain text, with a star at its end or without. */
  readonly parameters: PathParameters | undefined;
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

/** What a candidate may ask for beside its host group and the text of its pattern. */
export type RouteCondition = 'method' | 'remote_addr' | 'host' | 'vars' | 'uri';

/** All conditions hold. */
export function candidatePasses<T>(candidate: RouteCandidate<T>, request: RouteRequest): boolean {
  return (
    methodPasses(candidate, request) &&
    clientPasses(candidate, request) &&
    hostPasses(candidate, request) &&
    varsPass(candidate, request) &&
    parametersPass(candidate, request)
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

function clientPasses<T>({ clients }: RouteCandidate<T>, request: RouteRequest): boolean {
  return clients === undefined || clients.has(request.clientAddress);
}

function hostPasses<T>({ hosts }: RouteCandidate<T>, { host }: RouteRequest): boolean {
  return hosts === undefined || hosts.some((pattern) => hostMatches(pattern, host));
}

function varsPass<T>({ condition }: RouteCandidate<T>, { vars }: RouteRequest): boolean {
  return condition === undefined || condition(vars);
}

function parametersPass<T>({ parameters }: RouteCandidate<T>, { path }: RouteRequest): boolean {
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
