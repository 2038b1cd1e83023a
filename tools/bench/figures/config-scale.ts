import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEtcd } from '@polygate/testing';
import type { EtcdServer } from '@polygate/testing';
import { Children } from '../children.ts';
import type { Child } from '../children.ts';
import { freePorts } from '../free-ports.ts';
import { isInstalled } from '../machine.ts';
import type { RunOptions } from '../run-scenario.ts';
import type { Figure } from './figures.ts';

const KEY = 'key-of-the-benchmark-only';
const DATA_PLANES = 3;
const ROUTES = 10_000;
const MANY = 100_000;
const WAITED_WRITES = 200;
/** How many changes one transaction has while the store is filled. */
const BATCH = 5000;
const CALL_MS_MAX = 120_000;
const READY_MS_MAX = 180_000;
const POLL_MS = 50;
/** Defaults are 128 operations and 1.5 MB. */
const ETCD_ARGS = ['--max-txn-ops=20000', '--max-request-bytes=67108864'];

/** The services apart, over a real etcd, as they run in production. */
export async function measureConfigScale(options: RunOptions): Promise<readonly Figure[]> {
  if (!isInstalled('etcd')) throw new Error('no etcd: apt-get install etcd-server etcd-client');
  const children = new Children(options.signal);
  const etcd = await startEtcd({ args: ETCD_ARGS });
  try {
    const folder = path.join(options.folder, 'config-scale');
    await mkdir(folder, { recursive: true });
    return await new Scale({ ...options, folder, children, etcd }).measure();
  } finally {
    await children.stopAll();
    await etcd.close();
  }
}

interface ScaleOptions extends RunOptions {
  readonly children: Children;
  readonly etcd: EtcdServer;
}

class Scale {
  readonly #options: ScaleOptions;
  #adminUrl = '';

  constructor(options: ScaleOptions) {
    this.#options = options;
  }

  async measure(): Promise<readonly Figure[]> {
    const { say } = this.#options;
    await this.#startAdminApi();
    const planes = await Promise.all(
      Array.from({ length: DATA_PLANES }, (_, i) => this.#startDataPlane(i)),
    );
    await Promise.all(planes.map(({ readyUrl }) => this.#untilReady(readyUrl)));

    say(`writing ${ROUTES} routes one by one`);
    const singlyMs = await this.#timed(async () => {
      for (let n = 0; n < ROUTES; n++) await this.#call('PUT', `/routes/${n}`, routeOf(n));
    });
    say(`writing ${ROUTES} routes in one transaction`);
    const togetherMs = await this.#timed(() => this.#transaction(ROUTES, 0, 'together'));
    say(`${WAITED_WRITES} writes, each until ${DATA_PLANES} data planes serve it`);
    const waits: number[] = [];
    for (let n = 0; n < WAITED_WRITES; n++) {
      const route = { ...routeOf(n), desc: `waited for ${n}` };
      waits.push(
        await this.#timed(() => this.#call('PUT', `/routes/${n}?wait=applied&timeout=30s`, route)),
      );
    }
    waits.sort((a, b) => a - b);
    const restartMs = await this.#restartWithMany(planes);
    return figuresOf({ singlyMs, togetherMs, waits, restartMs });
  }

  async #restartWithMany(planes: readonly DataPlane[]): Promise<number> {
    const { say } = this.#options;
    say(`filling up to ${MANY} routes, and restarting a data plane`);
    await Promise.all(planes.map(({ child }) => child.stop()));
    for (let from = ROUTES; from < MANY; from += BATCH) {
      await this.#transaction(BATCH, from, 'more');
    }
    return this.#timed(async () => {
      const { readyUrl, url } = await this.#startDataPlane(DATA_PLANES);
      await this.#untilReady(readyUrl);
      const { status } = await fetch(`${url}/service-${MANY - 1}/item`);
      // the upstream is nobody: 502 says that the route is there
      if (status !== 502) throw new Error(`ready, but the last route answers ${status}`);
    });
  }

  async #transaction(routes: number, from: number, desc: string): Promise<void> {
    const changes = Array.from({ length: routes }, (_, i) => ({
      method: 'PUT',
      path: `/routes/${from + i}`,
      body: { ...routeOf(from + i), desc },
    }));
    await this.#call('POST', '/polygate/transaction', { changes });
  }

  async #timed(work: () => Promise<void>): Promise<number> {
    const beganMs = performance.now();
    await work();
    return performance.now() - beganMs;
  }

  async #call(method: string, target: string, body: object): Promise<void> {
    const response = await fetch(`${this.#adminUrl}/apisix/admin${target}`, {
      method,
      headers: { 'X-API-KEY': KEY },
      body: JSON.stringify(body),
      signal: AbortSignal.any([this.#options.signal, AbortSignal.timeout(CALL_MS_MAX)]),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${target}: ${response.status} ${text}`);
  }

  async #startAdminApi(): Promise<void> {
    const child = await this.#startService('admin-api', 'admin-api', {
      deployment: {
        role: 'control_plane',
        role_control_plane: { config_provider: 'etcd' },
        admin: {
          admin_listen: { ip: '127.0.0.1', port: 0 },
          admin_key: [{ name: 'admin', key: KEY, role: 'admin' }],
        },
        etcd: this.#etcdConfig(),
      },
    });
    this.#adminUrl = (await child.line(/Admin API on (http:\S+)/))[1] ?? '';
  }

  async #startDataPlane(index: number): Promise<DataPlane> {
    const [statusPort = 0] = await freePorts(1);
    const child = await this.#startService('data-plane', `data-plane-${index}`, {
      apisix: {
        node_listen: [{ ip: '127.0.0.1', port: 0 }],
        enable_control: false,
        status: { ip: '127.0.0.1', port: statusPort },
      },
      nginx_config: { worker_processes: 1, http: { enable_access_log: false } },
      plugin_attr: { prometheus: { enable_export_server: false } },
      deployment: {
        role: 'data_plane',
        role_data_plane: { config_provider: 'etcd' },
        etcd: this.#etcdConfig(),
      },
    });
    const url = (await child.line(/data plane on (http:\S+)/))[1] ?? '';
    return { child, url, readyUrl: `http://127.0.0.1:${statusPort}/status/ready` };
  }

  #etcdConfig(): object {
    return { host: [this.#options.etcd.endpoint], timeout: 60 };
  }

  /** All have one folder for their sockets, and so find each other. */
  async #startService(app: string, name: string, config: object): Promise<Child> {
    const { children, folder } = this.#options;
    const file = path.join(folder, `${name}.yaml`);
    const polygate = { run_dir: path.join(folder, 'run'), data_dir: path.join(folder, name) };
    // JSON is YAML too
    await writeFile(file, JSON.stringify({ polygate, ...config }));
    const command = [process.execPath, `apps/${app}/src/main.ts`, '--config', file];
    return children.start({ name, command, cpus: undefined });
  }

  async #untilReady(url: string): Promise<void> {
    const { signal } = this.#options;
    const limitMs = performance.now() + READY_MS_MAX;
    for (;;) {
      const isReady = await fetch(url, { signal }).then(
        (response) => response.ok,
        () => false,
      );
      if (isReady) return;
      if (performance.now() > limitMs) throw new Error(`${url} is not ready`);
      await sleep(POLL_MS, undefined, { signal });
    }
  }
}

interface DataPlane {
  readonly child: Child;
  readonly url: string;
  readonly readyUrl: string;
}

function routeOf(n: number): object {
  const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1': 1 } };
  return { uri: `/service-${n}/*`, upstream };
}

function figuresOf(times: {
  singlyMs: number;
  togetherMs: number;
  waits: readonly number[];
  restartMs: number;
}): readonly Figure[] {
  const { singlyMs, togetherMs, waits, restartMs } = times;
  const at = (share: number): number => waits[Math.floor(waits.length * share)] ?? NaN;
  const whole = (what: string, value: number, unit: string): Figure => ({
    what: `Admin API, ${DATA_PLANES} data planes, etcd: ${what}`,
    value,
    unit,
    goal: undefined,
  });
  return [
    whole(`${ROUTES} routes written one by one`, singlyMs / 1000, 's'),
    whole(`${ROUTES} routes replaced in one transaction`, togetherMs / 1000, 's'),
    whole(`write until all data planes serve it, p50, among ${ROUTES} routes`, at(0.5), 'ms'),
    whole(`write until all data planes serve it, p99, among ${ROUTES} routes`, at(0.99), 'ms'),
    whole(`start of a data plane until it is ready with ${MANY} routes`, restartMs / 1000, 's'),
  ];
}
