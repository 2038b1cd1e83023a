import assert from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectRunnerService, listRunners, readClientTls, RunnerState } from '@polygate/rpc';
import type { Runner, RunnerServiceClient } from '@polygate/rpc';
import { createTestCertificates } from '@polygate/testing';
import type { TestCertificates } from '@polygate/testing';
import { freePorts } from '../bench/free-ports.ts';
import { usageOfTree } from '../bench/proc-stat.ts';
import { startDigestUpstream } from '../runner-matrix/digest-upstream.ts';
import type { DigestUpstream } from '../runner-matrix/digest-upstream.ts';
import { startService } from '../service-process.ts';
import type { ServiceProcess } from '../service-process.ts';
import { pluginFile, writeConfigs, writeRoutes } from './stage-configs.ts';
import type { ManagerPlace } from './stage-configs.ts';

const WAIT_MS_MAX = 60_000;
const POLL_MS = 20;
const LIST_TIMEOUT_MS = 2000;

export type ServiceName = 'data-plane' | 'runner-manager' | 'runner-manager-2';

const MANAGERS = ['runner-manager', 'runner-manager-2'] as const;

/** What processes hold on to. */
export interface Held {
  readonly processes: number;
  readonly files: number;
  readonly rssBytes: number;
}

export interface StageOptions {
  /** Of each manager. Default 2. */
  readonly instances?: number;
  /** Default 1, on a unix socket; two are on the network, and show certificates. */
  readonly managers?: 1 | 2;
}

interface StageParts {
  readonly folder: string;
  readonly ports: { readonly gateway: number; readonly control: number };
  readonly upstream: DigestUpstream;
  readonly managers: readonly ManagerPlace[];
  readonly certificates: TestCertificates | undefined;
  readonly instances: number;
}

/** A data plane and runner managers with their runners, each a process of its own. */
export class RunnerStage {
  readonly url: string;
  readonly #parts: StageParts;
  readonly #clients: readonly RunnerServiceClient[];
  readonly #services = new Map<ServiceName, ServiceProcess>();

  private constructor(parts: StageParts) {
    this.#parts = parts;
    this.url = `http://127.0.0.1:${parts.ports.gateway}`;
    const { certificates: pem } = parts;
    const tls =
      pem &&
      readClientTls({
        caFile: pem.caFile,
        certFile: pem.clientCertFile,
        keyFile: pem.clientKeyFile,
      });
    this.#clients = parts.managers.map(({ address }) => connectRunnerService({ address, tls }));
  }

  /** Serves `/` through the runner when it resolves. */
  static async start({ instances = 2, managers = 1 }: StageOptions = {}): Promise<RunnerStage> {
    const folder = await mkdtemp(path.join(tmpdir(), 'polygate-chaos-'));
    const [gateway = 0, control = 0, ...ports] = await freePorts(2 + managers);
    const stage = new RunnerStage({
      folder,
      ports: { gateway, control },
      upstream: await startDigestUpstream(),
      managers: MANAGERS.slice(0, managers).map((name, i) => ({
        name,
        address:
          managers === 1 ? `unix:${path.join(folder, 'manager.sock')}` : `127.0.0.1:${ports[i]}`,
      })),
      certificates: managers === 1 ? undefined : await createTestCertificates(folder),
      instances,
    });
    try {
      await stage.#writeConfigs();
      const names = [...MANAGERS.slice(0, managers), 'data-plane'] as const;
      await Promise.all(names.map((name) => stage.#start(name)));
      await stage.untilReady();
    } catch (error) {
      await stage.stop();
      throw error;
    }
    return stage;
  }

  get managers(): readonly ServiceName[] {
    return MANAGERS.slice(0, this.#parts.managers.length);
  }

  /** Ends one instance that takes calls, whichever. Only while another one does: what they are two for. */
  async killRunner(random: () => number): Promise<void> {
    const pids = await this.untilReady();
    process.kill(pids[Math.floor(random() * pids.length)] as number, 'SIGKILL');
  }

  /** Ends the service and starts it again, as whatever supervises services does. */
  async killService(name: ServiceName): Promise<void> {
    await this.#services.get(name)?.stop('SIGKILL');
    await this.#start(name);
  }

  /** Has the data plane take over another version of the plugin's conf, and routes with more of them. */
  async changeConf(version: number, more = 0): Promise<void> {
    const { folder, upstream } = this.#parts;
    await writeRoutes({ folder, upstreamPort: upstream.port, version, more });
  }

  /** The processes of instances that take calls, once all do and the data plane is connected. */
  async untilReady(): Promise<number[]> {
    const wanted = this.#parts.instances * this.#clients.length;
    const endMs = performance.now() + WAIT_MS_MAX;
    for (;;) {
      const pids = (await this.runners())
        .flatMap(({ instances }) => instances)
        .filter(({ state }) => state === RunnerState.READY)
        .map(({ pid }) => pid);
      if (pids.length >= wanted && (await this.#isLinked())) return pids;
      assert(performance.now() < endMs, `${pids.length} instances are ready:\n${this.output()}`);
      await sleep(POLL_MS);
    }
  }

  /** What the managers that answer say. */
  async runners(): Promise<Runner[]> {
    const asked = this.#clients.map((client) =>
      listRunners(client, LIST_TIMEOUT_MS).then(
        ({ runners }) => runners,
        // The manager is being started again.
        () => [],
      ),
    );
    return (await Promise.all(asked)).flat();
  }

  /** Processes of runners: of one manager, or of whichever. */
  runnerPids(manager?: ServiceName): number[] {
    const plugin = pluginFile(this.#parts.folder);
    const isOurs = (pid: number): boolean => readIfThere(`/proc/${pid}/cmdline`).includes(plugin);
    const pids =
      manager === undefined
        ? readdirSync('/proc').map(Number).filter(Number.isInteger)
        : usageOfTree(this.#services.get(manager)?.pid ?? 0).map(({ pid }) => pid);
    return pids.filter(isOurs);
  }

  /** Resident memory of the services themselves, without their runners. */
  serviceRssBytes(): ReadonlyMap<ServiceName, number> {
    return new Map(
      [...this.#services].map(([name, { pid }]) => {
        const own = usageOfTree(pid).find((usage) => usage.pid === pid);
        return [name, own?.rssBytes ?? 0];
      }),
    );
  }

  /** Of both services and all below them. */
  held(): Held {
    const usages = [...this.#services.values()].flatMap(({ pid }) => usageOfTree(pid));
    return {
      processes: usages.length,
      files: usages.reduce((sum, { pid }) => sum + filesOf(pid), 0),
      rssBytes: usages.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
    };
  }

  /** The end of what the services wrote. */
  output(): string {
    return [...this.#services]
      .map(([name, service]) => `${name}:\n${service.output().slice(-3000)}`)
      .join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#services.values()].map((service) => service.stop()));
    for (const client of this.#clients) client.close();
    await this.#parts.upstream.close();
    await rm(this.#parts.folder, { recursive: true, force: true });
  }

  #writeConfigs(): Promise<void> {
    const { ports, upstream } = this.#parts;
    return writeConfigs({
      ...this.#parts,
      port: ports.gateway,
      controlPort: ports.control,
      upstreamPort: upstream.port,
    });
  }

  async #start(name: ServiceName): Promise<void> {
    const config = path.join(this.#parts.folder, name, 'config.yaml');
    const app = name === 'data-plane' ? name : 'runner-manager';
    const service = startService(`apps/${app}/src/main.ts`, ['--config', config]);
    this.#services.set(name, service);
    await service.line(/(runner manager|data plane) on /);
  }

  /** Whether each worker has its link to each manager. */
  async #isLinked(): Promise<boolean> {
    try {
      const shown = await fetch(`http://127.0.0.1:${this.#parts.ports.control}/v1/runners`);
      const { workers } = (await shown.json()) as {
        workers: { links: { connected: boolean }[] }[];
      };
      const links = workers.flatMap((worker) => worker.links);
      return links.length > 0 && links.every(({ connected }) => connected);
    } catch {
      // The data plane is being started again.
      return false;
    }
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // The process has ended.
    return '';
  }
}

function filesOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}
