import { Children } from '../children.ts';
import type { RunOptions } from '../run-scenario.ts';
import type { Figure } from './figures.ts';

const PROGRAM = 'apps/data-plane/src/config/routes.bench.ts';

interface RouteFigures {
  readonly kind: string;
  readonly routes: number;
  readonly matchP99Ns: number;
  readonly changeMaxMs: number;
  readonly bytesPerRoute: number;
}

/** The route table and what builds it, alone in a process: no requests, no sockets. */
export async function measureRouteTable({
  gatewayCpus,
  signal,
}: RunOptions): Promise<readonly Figure[]> {
  const child = new Children(signal).start({
    name: 'route table',
    command: [process.execPath, '--expose-gc', PROGRAM, '--json'],
    cpus: gatewayCpus,
  });
  const code = await child.exited;
  if (code !== 0) throw new Error(`${PROGRAM} ended with ${code}:\n${child.output()}`);
  const line = child.output().trim().split('\n').at(-1) ?? '';
  const all = JSON.parse(line) as readonly RouteFigures[];
  return [...Map.groupBy(all, ({ kind }) => kind)].flatMap(([kind, sizes]) => {
    const [few, many] = sizes;
    if (few === undefined || many === undefined) throw new Error(`no two sizes of ${kind}`);
    const title = `${many.routes} routes (${kind})`;
    return [
      {
        what: `${title}: match p99 to that of ${few.routes}`,
        value: many.matchP99Ns / few.matchP99Ns,
        unit: `× (${many.matchP99Ns} ns to ${few.matchP99Ns} ns)`,
        goal: 2,
      },
      {
        what: `${title}: longest of 300 single changes`,
        value: many.changeMaxMs,
        unit: 'ms',
        goal: 20,
      },
      {
        what: `${title}: memory a route, items and snapshot`,
        value: many.bytesPerRoute / 1024,
        unit: 'KB',
        goal: 1.5,
      },
    ];
  });
}
