import { compileCondition } from '../routing/compile-condition.ts';
import { beginsAs } from '../routing/path-index.ts';
import { failedConditions, hostMatches } from '../routing/route-request.ts';
import type { RouteCandidate, RouteCondition, RouteRequest } from '../routing/route-request.ts';
import type { CompiledRoute } from '../config/config-snapshot.ts';
import type { ItemOf } from '../config/item-store.ts';

/** What the builder knows of the routes it compiled. */
export interface RoutesToExplain {
  /** What matching looks at, in its order. */
  tries(request: RouteRequest): readonly RouteCandidate<CompiledRoute>[];
  /** Of all routes, those switched off by `status` included. */
  candidates(): Iterable<RouteCandidate<CompiledRoute>>;
  route(id: string): ItemOf<'routes'> | undefined;
  /** Of a route that names none itself. */
  hostsOfService(serviceId: string | number | undefined): readonly string[] | undefined;
}

export interface ExplainedCandidate {
  readonly route: string;
  readonly uri: string;
  readonly host: string | null;
  readonly priority: number;
  /** `behind`: the matched one comes first. */
  readonly outcome: 'matched' | 'failed' | 'behind';
  readonly failed: readonly FailedCondition[];
  /** Why the matched one comes first. */
  readonly behind?: 'host' | 'uri' | 'priority' | 'age';
}

interface FailedCondition {
  readonly condition: RouteCondition | 'status';
  readonly expected: unknown;
  readonly actual: unknown;
}

/** More are counted by nobody: one looks for the reason of one route. */
const CANDIDATES_MAX = 50;
const TEXT_MAX = 200;

/**
 * All candidates that the request's path leads to: those that matching looked at, in its order, then
 * those that it never came to, since their host is another one or they are switched off. Looks at
 * every route: some milliseconds for 100,000.
 */
export function explainCandidates(
  request: RouteRequest,
  winner: CompiledRoute | undefined,
  routes: RoutesToExplain,
): { readonly candidates: readonly ExplainedCandidate[]; readonly hasMore: boolean } {
  const tries = routes.tries(request);
  const explained: ExplainedCandidate[] = [];
  let first: RouteCandidate<CompiledRoute> | undefined;
  for (const candidate of tries) {
    const failed = failedConditions(candidate, request);
    const isMatch = first === undefined && failed.length === 0;
    if (isMatch) first = candidate;
    explained.push(describe(candidate, { failed, first, isMatch }, request, routes));
  }
  // the table decided, and here only the reasons are found: both are the same code, or this is a bug
  if (first?.target !== winner) throw new Error('explanation and match disagree');

  const tried = new Set(tries);
  for (const candidate of routes.candidates()) {
    if (explained.length > CANDIDATES_MAX) break;
    const { host } = candidate;
    if (tried.has(candidate) || !beginsAs(candidate, request.path)) continue;
    const failed: FailedName[] = failedConditions(candidate, request);
    if (host !== undefined && !hostMatches(host, request.host)) failed.push('host');
    if (routes.route(candidate.id)?.value.status === 0) failed.push('status');
    const finding = { failed, first: undefined, isMatch: false };
    explained.push(describe(candidate, finding, request, routes));
  }
  return {
    candidates: explained.slice(0, CANDIDATES_MAX),
    hasMore: explained.length > CANDIDATES_MAX,
  };
}

type FailedName = FailedCondition['condition'];

interface Finding {
  readonly failed: readonly FailedName[];
  /** The one that matched, when this one comes behind it. */
  readonly first: RouteCandidate<CompiledRoute> | undefined;
  readonly isMatch: boolean;
}

function describe(
  candidate: RouteCandidate<CompiledRoute>,
  { failed, first, isMatch }: Finding,
  request: RouteRequest,
  routes: RoutesToExplain,
): ExplainedCandidate {
  const item = routes.route(candidate.id);
  const reasons = failed.map((condition) => ({
    condition,
    ...describeFailure(condition, { candidate, item, request, routes }),
  }));
  const isBehind = first !== undefined && !isMatch && failed.length === 0;
  return {
    route: candidate.id,
    uri: candidate.pattern,
    host: candidate.host ?? null,
    priority: candidate.priority,
    outcome: isMatch ? 'matched' : isBehind ? 'behind' : 'failed',
    failed: reasons,
    ...(isBehind && { behind: whatDecided(first, candidate) }),
  };
}

/** What the order of the two was decided by. */
function whatDecided(
  a: RouteCandidate<CompiledRoute>,
  b: RouteCandidate<CompiledRoute>,
): NonNullable<ExplainedCandidate['behind']> {
  if (a.host !== b.host) return 'host';
  if (a.pattern !== b.pattern && (a.priority === b.priority || !isSamePrefix(a, b))) return 'uri';
  return a.priority === b.priority ? 'age' : 'priority';
}

function isSamePrefix(a: RouteCandidate<CompiledRoute>, b: RouteCandidate<CompiledRoute>): boolean {
  const prefix = a.conditions?.parameters?.prefix;
  return prefix !== undefined && prefix === b.conditions?.parameters?.prefix;
}

interface Failing {
  readonly candidate: RouteCandidate<CompiledRoute>;
  readonly item: ItemOf<'routes'> | undefined;
  readonly request: RouteRequest;
  readonly routes: RoutesToExplain;
}

function describeFailure(
  condition: FailedName,
  { candidate, item, request, routes }: Failing,
): { expected: unknown; actual: unknown } {
  const route = item?.value;
  switch (condition) {
    case 'method':
      return { expected: route?.methods, actual: request.method };
    case 'remote_addr':
      return {
        expected: route?.remote_addrs ?? [route?.remote_addr],
        actual: request.clientAddress,
      };
    case 'host': {
      const own = route?.hosts ?? (route?.host === undefined ? undefined : [route.host]);
      const expected = own ?? routes.hostsOfService(route?.service_id) ?? [candidate.host];
      return { expected, actual: request.host };
    }
    case 'uri':
      return { expected: candidate.pattern, actual: request.path };
    case 'status':
      return { expected: 1, actual: 0 };
    case 'vars':
      return failingRules(route?.vars ?? [], request);
  }
}

/** The rules that do not hold, and what their variables are. A logical operator is one rule. */
function failingRules(
  vars: readonly unknown[],
  request: RouteRequest,
): { expected: unknown; actual: unknown } {
  const isLogic = typeof vars[0] === 'string';
  const rules = isLogic ? [vars] : vars.map((rule) => [rule]);
  const failing = rules.filter((rule) => !compileCondition(rule)(request.vars));
  const actual = Object.fromEntries(
    [...new Set(failing.flatMap(namesIn))].map((name) => [name, show(request.vars, name)]),
  );
  return { expected: failing.map((rule) => (isLogic ? rule : rule[0])), actual };
}

/** The variables of an expression: the first member of each rule that holds no rule. */
function namesIn(rule: unknown): readonly string[] {
  if (!Array.isArray(rule)) return [];
  const [first] = rule as readonly unknown[];
  const isGroup = Array.isArray(first) || /^!?(and|or)$/i.test(String(first));
  if (isGroup) return rule.flatMap(namesIn);
  return typeof first === 'string' ? [first] : [];
}

function show(vars: RouteRequest['vars'], name: string): unknown {
  const value = (vars.typed ?? vars).get(name);
  if (value === undefined) return null;
  const text = JSON.stringify(value);
  return text.length <= TEXT_MAX ? value : `${text.slice(0, TEXT_MAX)}…`;
}
