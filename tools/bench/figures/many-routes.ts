import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLogger, loadConfig } from '@polygate/chassis';
import { openConfigStore } from '@polygate/config-store';
import { Children, ROOT } from '../children.ts';
import { openAgentHub } from '../gateway/agent-hub.ts';
import type { AgentHub } from '../gateway/agent-hub.ts';
import { startPolygate } from '../gateway/polygate.ts';
import type { RunningPolygate } from '../gateway/polygate.ts';
import { putAll } from '../gateway/put-resources.ts';
import type { RunOptions } from '../run-scenario.ts';
import type { Figure } from './figures.ts';

const FEW = 1000;
const MANY = 100_000;
const CHANGES = 40;
const SERVED_MS_MAX = 120_000;
const POLL_MS = 100;
/** From the Admin API's answer until the workers have surely seen the change. */
const SETTLE_MS = 300;

/**
 * A whole gateway with 100,000 routes: what a change costs the worker's event loop, and what a route
 * takes of the worker's memory, against the same gateway with 1,000.
 */
export async function measureManyRoutes(options: RunOptions): Promise<readonly Figure[]> {
  const few = await measureWith(FEW, options);
  const many = await measureWith(MANY, options);
  const perRoute = (of: (facts: Facts) => number): number =>
    (of(many) - of(few)) / (MANY - FEW) / 1024;
  const title = `${MANY} routes in a gateway`;
  return [
    {
      what: `${title}: longest stall of the worker's event loop in ${CHANGES} changes by the Admin API`,
      value: many.stallMs,
      unit: `ms (${FEW} routes: ${few.stallMs.toFixed(1)} ms)`,
      goal: 20,
    },
    {
      what: `${title}: memory of a route in a worker`,
      value: perRoute(({ workerBytes }) => workerBytes),
      unit: 'KB',
      goal: 1.5,
    },
    {
      what: `${title}: memory of a route in the main thread, Admin API and store included`,
      value: perRoute(({ mainBytes }) => mainBytes),
      unit: 'KB',
      goal: undefined,
    },
    {
      what: `${title}: from the start until the last route is served`,
      value: many.startMs / 1000,
      unit: 's',
      goal: undefined,
    },
  ];
}

interface Facts {
  readonly startMs: number;
  readonly stallMs: number;
  readonly workerBytes: number;
  readonly mainBytes: number;
}

async function measureWith(routes: number, options: RunOptions): Promise<Facts> {
  const { signal, say, gatewayCpus } = options;
  const folder = path.join(options.folder, `routes-${routes}`);
  await mkdir(folder, { recursive: true });
  say(`writing ${routes} routes`);
  await writeRoutes(folder, routes);
  const children = new Children(signal);
  const hub = await openAgentHub(path.join(folder, 'agent.sock'));
  try {
    const beganMs = performance.now();
    const gateway = await startPolygate({
      ...{ children, folder, signal, say, agentSocket: hub.socket },
      name: 'polygate',
      tree: ROOT,
      cpus: gatewayCpus,
      scenario: { entry: 'http', hasRunner: false },
      resources: [],
    });
    await untilRouted(`${gateway.url}/service-${routes - 1}/item`, signal);
    const startMs = performance.now() - beganMs;
    say(`${routes} routes are served`);
    const workerBytes = await hub.ask('worker', 'memory');
    const mainBytes = await hub.ask('main', 'memory');
    const stallMs = await changeRoutes(gateway, hub, { ...options, routes });
    return { startMs, stallMs, workerBytes, mainBytes };
  } finally {
    await children.stopAll();
    await hub.close();
  }
}

/** As the Admin API would store them, but without a call for each. */
async function writeRoutes(folder: string, routes: number): Promise<void> {
  const file = path.join(folder, 'prepare.json');
  await writeFile(file, JSON.stringify({ polygate: { data_dir: path.join(folder, 'data') } }));
  const log = createLogger({ level: 'error', format: 'text', service: 'bench' });
  const store = openConfigStore(loadConfig(file), log);
  try {
    const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1': 1 } };
    await store.put('/upstreams/1', { id: '1', ...upstream });
    for (let n = 0; n < routes; n++) {
      await store.put(`/routes/${n}`, routeOf(n));
    }
  } finally {
    await store.close();
  }
}

function routeOf(n: number): Record<string, unknown> {
  return { id: String(n), uri: `/service-${n}/*`, upstream_id: '1', priority: 0, status: 1 };
}

async function changeRoutes(
  { adminUrl, adminKey }: RunningPolygate,
  hub: AgentHub,
  { routes, signal, say }: RunOptions & { routes: number },
): Promise<number> {
  // the first changes run code that V8 has not compiled yet, and clear up after the start
  const change = async (i: number): Promise<void> => {
    const n = (i * 617) % routes;
    const resource = [`/routes/${n}`, { ...routeOf(n), desc: `change ${i}` }] as const;
    await putAll({ adminUrl, adminKey, resources: [resource], signal, say });
  };
  for (let i = 0; i < CHANGES; i++) await change(i);
  await sleep(SETTLE_MS);
  await hub.ask('worker', 'watch-loop');
  for (let i = 0; i < CHANGES; i++) {
    await change(CHANGES + i);
    await sleep(POLL_MS / 2);
  }
  await sleep(SETTLE_MS);
  return hub.ask('worker', 'loop-stall');
}

/** 404: not there yet; the route's upstream is nobody, so 502 says that it is. */
async function untilRouted(url: string, signal: AbortSignal): Promise<void> {
  const limitMs = performance.now() + SERVED_MS_MAX;
  for (;;) {
    const status = await fetch(url, { signal, headers: { Connection: 'close' } }).then(
      async (response) => {
        await response.arrayBuffer();
        return response.status;
      },
      () => 0,
    );
    if (status >= 500) return;
    if (performance.now() > limitMs) throw new Error(`${url} answers ${status} and not 502`);
    await sleep(POLL_MS, undefined, { signal });
  }
}
