import assert from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectRunnerService, listRunners, RunnerState } from '@polygate/rpc';
import type { RunnerServiceClient } from '@polygate/rpc';
import { freePorts } from '../bench/free-ports.ts';
import { usageOfTree } from '../bench/proc-stat.ts';
import { startDigestUpstream } from '../runner-matrix/digest-upstream.ts';
import type { DigestUpstream } from '../runner-matrix/digest-upstream.ts';
import { startService } from '../service-process.ts';
import type { ServiceProcess } from '../service-process.ts';
import { managerAddress, pluginFile, writeConfigs, writeRoutes } from './stage-configs.ts';

const WAIT_MS_MAX = 60_000;
const POLL_MS = 20;
const LIST_TIMEOUT_MS = 2000;

type ServiceName = 'data-plane' | 'runner-manager';

/** What processes hold on to. */
export interface Held {
  readonly processes: number;
  readonly files: number;
  readonly rssBytes: number;
}

/** A data plane and a runner manager with two instances of a runner, each a process of its own. */
export class RunnerStage {
  readonly url: string;
  readonly #folder: string;
  readonly #upstream: DigestUpstream;
  readonly #client: RunnerServiceClient;
  readonly #services = new Map<ServiceName, ServiceProcess>();

  private constructor(folder: string, port: number, upstream: DigestUpstream) {
    this.#folder = folder;
    this.url = `http://127.0.0.1:${port}`;
    this.#upstream = upstream;
    this.#client = connectRunnerService({ address: managerAddress(folder) });
  }

  /** Serves `/` through the runner when it resolves. */
  static async start(instances = 2): Promise<RunnerStage> {
    const folder = await mkdtemp(path.join(tmpdir(), 'polygate-chaos-'));
    const [port = 0] = await freePorts(1);
    const upstream = await startDigestUpstream();
    const stage = new RunnerStage(folder, port, upstream);
    try {
      await writeConfigs({ folder, port, upstreamPort: upstream.port, instances });
      await Promise.all([stage.#start('runner-manager'), stage.#start('data-plane')]);
      await stage.untilReady(instances);
    } catch (error) {
      await stage.stop();
      throw error;
    }
    return stage;
  }

  /** Ends one instance that takes calls, whichever. Only while another one does: what they are two for. */
  async killRunner(random: () => number): Promise<void> {
    const pids = await this.untilReady(2);
    process.kill(pids[Math.floor(random() * pids.length)] as number, 'SIGKILL');
  }

  /** Ends the service and starts it again, as whatever supervises services does. */
  async killService(name: ServiceName): Promise<void> {
    await this.#services.get(name)?.stop('SIGKILL');
    await this.#start(name);
  }

  /** Has the data plane take over another version of the plugin's conf. */
  async changeConf(version: number): Promise<void> {
    await writeRoutes({ folder: this.#folder, upstreamPort: this.#upstream.port, version });
  }

  /** The processes of instances that take calls, once there are so many. */
  async untilReady(instances: number): Promise<number[]> {
    const endMs = performance.now() + WAIT_MS_MAX;
    for (;;) {
      const pids = await this.#readyPids();
      if (pids.length >= instances) return pids;
      assert(performance.now() < endMs, `${pids.length} instances are ready:\n${this.output()}`);
      await sleep(POLL_MS);
    }
  }

  /** Processes of runners, of whatever manager. */
  runnerPids(): number[] {
    const plugin = pluginFile(this.#folder);
    const isOurs = (pid: string): boolean => readIfThere(`/proc/${pid}/cmdline`).includes(plugin);
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter(isOurs)
      .map(Number);
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
    this.#client.close();
    await this.#upstream.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #start(name: ServiceName): Promise<void> {
    const config = path.join(this.#folder, name, 'config.yaml');
    const service = startService(`apps/${name}/src/main.ts`, ['--config', config]);
    this.#services.set(name, service);
    await service.line(/(runner manager|data plane) on /);
  }

  async #readyPids(): Promise<number[]> {
    try {
      const { runners } = await listRunners(this.#client, LIST_TIMEOUT_MS);
      return runners
        .flatMap(({ instances }) => instances)
        .filter(({ state }) => state === RunnerState.READY)
        .map(({ pid }) => pid);
    } catch {
      // The manager is being started again.
      return [];
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
