// What does a pick among 100 nodes cost, the release included? In this process:
//   node apps/data-plane/src/upstream/balancer/balancer.bench.ts [--json]
import { allocateLoads, NodeLoads } from './node-loads.ts';
import { compileUpstream } from '../compiled-upstream.ts';
import { requestWith } from './balancing.harness.ts';

const NODES = 100;
const PICKS = 200_000;
const ROUNDS = 7;
const IN_FLIGHT = 250;

interface Kind {
  readonly name: string;
  readonly type: string;
  readonly weight: (n: number) => number;
  readonly isBusy?: boolean;
}

const KINDS: readonly Kind[] = [
  { name: 'round robin, even', type: 'roundrobin', weight: () => 1 },
  { name: 'round robin, weighted', type: 'roundrobin', weight: (n: number) => 1 + (n % 7) },
  { name: 'chash by a header', type: 'chash', weight: () => 1 },
  { name: 'least_conn, idle', type: 'least_conn', weight: () => 1 },
  {
    name: 'least_conn, busy',
    type: 'least_conn',
    weight: (n: number) => 1 + (n % 3),
    isBusy: true,
  },
  { name: 'ewma', type: 'ewma', weight: () => 1 },
];

export interface PickFigures {
  readonly kind: string;
  readonly nodes: number;
  readonly pickNs: number;
}

const requests = Array.from({ length: 1024 }, (_, n) =>
  requestWith({ 'http_x-session': `session-${n}` }),
);

const figures = KINDS.map((kind): PickFigures => ({
  kind: kind.name,
  nodes: NODES,
  pickNs: Math.round(measure(kind)),
}));
if (process.argv.includes('--json')) console.log(JSON.stringify(figures));
else console.table(figures);

/** Nanoseconds of processor time for a pick and its release, of the median round. */
function measure({ type, weight, isBusy = false }: Kind): number {
  const nodes = Array.from({ length: NODES }, (_, n) => ({
    host: `10.0.0.${n}`,
    port: 8080,
    weight: weight(n),
  }));
  const loads = new NodeLoads(allocateLoads(1024, 2), 0);
  const { balancer } = compileUpstream({ type, hash_on: 'header', key: 'x-session', nodes }, '1', {
    key: 'upstreams/1',
    around: { loads, healthOf: () => undefined },
  });
  // Requests that stay in flight: every node is busy, none as busy as another.
  for (let i = 0; isBusy && i < IN_FLIGHT; i++)
    balancer.pick(requests[0] as (typeof requests)[number], undefined);
  const rounds = Array.from({ length: ROUNDS }, () => {
    const before = process.cpuUsage().user;
    for (let i = 0; i < PICKS; i++) {
      const node = balancer.pick(requests[i & 1023] as (typeof requests)[number], undefined);
      if (node === undefined) throw new Error('no node');
      balancer.release(node, 5);
    }
    return ((process.cpuUsage().user - before) * 1e3) / PICKS;
  });
  return rounds.toSorted((a, b) => a - b)[ROUNDS >> 1] as number;
}
