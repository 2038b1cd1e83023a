// How do matching, changing and memory grow with the number of routes? In this process:
//   node --expose-gc apps/data-plane/src/config/routes.bench.ts [--json]
import { validateResource } from '@polygate/model';
import type { RouteRequest } from '../routing/route-request.ts';
import type { ConfigItem, ConfigUpdate } from './config-item.ts';
import type { ConfigSnapshot } from './config-snapshot.ts';
import { SnapshotBuilder } from './snapshot-builder.ts';

const FEW = 1000;
const MANY = 100_000;
const LOOKUPS = 200_000;
/** Requests made right before they are looked up: a request just parsed is in the processor's cache. */
const BATCH = 20;
const CHANGES = 300;

interface RouteKind {
  readonly name: string;
  route(n: number): object;
  request(n: number): { host: string; path: string };
}

const KINDS: readonly RouteKind[] = [
  {
    name: 'prefix, one upstream',
    route: (n) => ({ uri: `/service-${n}/*`, upstream_id: '1' }),
    request: (n) => ({ host: 'a.test', path: `/service-${n}/item` }),
  },
  {
    name: 'own host, own upstream, methods',
    route: (n) => ({
      uri: '/api/*',
      host: `tenant-${n}.example.com`,
      methods: ['GET', 'POST'],
      upstream: { type: 'roundrobin', nodes: { [`10.0.0.${n % 250}:8080`]: 1 } },
    }),
    request: (n) => ({ host: `tenant-${n}.example.com`, path: '/api/item' }),
  },
];

export interface RouteFigures {
  readonly kind: string;
  readonly routes: number;
  readonly matchP50Ns: number;
  readonly matchP99Ns: number;
  readonly buildMs: number;
  readonly changeP50Ms: number;
  readonly changeMaxMs: number;
  readonly bytesPerRoute: number;
}

const figures = KINDS.flatMap((kind) => [FEW, MANY].map((routes) => measure(kind, routes)));
if (process.argv.includes('--json')) console.log(JSON.stringify(figures));
else console.table(figures);

function measure(kind: RouteKind, routes: number): RouteFigures {
  const before = heapBytes();
  const builder = newBuilder();
  const update = structuredClone(fullUpdate(kind, routes));
  const beganMs = performance.now();
  let { snapshot } = builder.build(update, new Map());
  const buildMs = performance.now() - beganMs;
  (update as { puts: unknown }).puts = [];
  const bytes = heapBytes() - before;

  const match = matchTimesNs(kind, routes, snapshot);
  const changes: number[] = [];
  for (let i = 0; i < CHANGES; i++) {
    const puts = [structuredClone(itemOf(kind, (i * 617) % routes, routes + i + 10))];
    const startMs = performance.now();
    ({ snapshot } = builder.build({ revision: i + 2, reset: false, puts, deletes: [] }));
    changes.push(performance.now() - startMs);
  }
  check(kind, routes, snapshot);
  changes.sort((a, b) => a - b);
  return {
    kind: kind.name,
    routes,
    matchP50Ns: Math.round(at(match, 0.5)),
    matchP99Ns: Math.round(at(match, 0.99)),
    buildMs: Math.round(buildMs),
    changeP50Ms: Number(at(changes, 0.5).toFixed(3)),
    changeMaxMs: Number((changes.at(-1) ?? NaN).toFixed(2)),
    bytesPerRoute: Math.round(bytes / routes),
  };
}

/** One time a lookup; that of the clock, some 40 ns, is in all of them. */
function matchTimesNs(kind: RouteKind, routes: number, snapshot: ConfigSnapshot): number[] {
  const times: number[] = [];
  let found = 0;
  for (let i = 0; i < 2 * LOOKUPS; i += BATCH) {
    const requests = Array.from({ length: BATCH }, (_, k) =>
      requestOf(kind, ((i + k) * 7919) % routes),
    );
    for (const request of requests) {
      const beganMs = performance.now();
      if (snapshot.match(request) !== undefined) found++;
      const passedNs = (performance.now() - beganMs) * 1e6;
      // the first half is for V8 to compile
      if (i >= LOOKUPS) times.push(passedNs);
    }
  }
  if (found !== 2 * LOOKUPS) throw new Error(`${found} requests found their route`);
  return times.sort((a, b) => a - b);
}

function check(kind: RouteKind, routes: number, snapshot: ConfigSnapshot): void {
  const last = snapshot.match(requestOf(kind, routes - 1));
  if (last?.target.id !== String(routes - 1)) throw new Error('the last route is not found');
}

function requestOf(kind: RouteKind, n: number): RouteRequest {
  const { host, path } = kind.request(n);
  // as from a parser: strings that V8 need not put together first
  const flat = (text: string): string => Buffer.from(text).toString();
  const vars = { get: () => undefined };
  return { method: 'GET', host: flat(host), path: flat(path), clientAddress: '127.0.0.1', vars };
}

function fullUpdate(kind: RouteKind, routes: number): ConfigUpdate {
  const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1': 1 } };
  const puts = Array.from({ length: routes }, (_, n) => itemOf(kind, n, n + 2));
  puts.push(validItem('upstreams', '1', upstream, 1));
  return { revision: 1, reset: true, puts, deletes: [] };
}

function itemOf(kind: RouteKind, n: number, index: number): ConfigItem {
  return validItem('routes', String(n), kind.route(n), index);
}

function validItem(
  kind: 'routes' | 'upstreams',
  id: string,
  resource: object,
  modifiedIndex: number,
): ConfigItem {
  const { value } = validateResource(
    kind,
    { id, ...resource },
    {
      plugins: new Map(),
      unknownPlugins: 'skip',
    },
  );
  return { kind, id, value, createdIndex: modifiedIndex, modifiedIndex };
}

function newBuilder(): SnapshotBuilder {
  const nothing = (): void => undefined;
  const log = { debug: nothing, info: nothing, warn: nothing, error: console.error };
  return new SnapshotBuilder({
    routerMode: 'radixtree_host_uri',
    log: { ...log, child: () => log } as never,
    environment: { shared: {}, metrics: {}, external: {}, logFor: () => log } as never,
  });
}

function heapBytes(): number {
  if (globalThis.gc === undefined) throw new Error('run it with --expose-gc');
  for (let i = 0; i < 3; i++) globalThis.gc();
  return process.memoryUsage().heapUsed;
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
