// Test-only: three services as processes of their own over a real etcd.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startEtcd } from '@polygate/testing';
import type { EtcdServer } from '@polygate/testing';
import { expect } from 'vitest';
import { startEchoUpstream } from './echo-upstream.ts';
import type { EchoUpstream } from './echo-upstream.ts';
import { startService } from './service-process.ts';
import type { ServiceProcess } from './service-process.ts';

const KEY = 'key-of-this-test-only';

/** What the echo upstream saw of a request. */
export interface Seen {
  readonly method: string;
  readonly uri: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export class Stack {
  readonly #folder: string;
  readonly #echo: EchoUpstream;
  readonly #services: ServiceProcess[] = [];
  readonly etcd: EtcdServer;
  readonly statusPort: number;
  dataPlane!: ServiceProcess;
  gateway = '';
  #adminUrl = '';

  private constructor(folder: string, etcd: EtcdServer, echo: EchoUpstream, statusPort: number) {
    this.#folder = folder;
    this.etcd = etcd;
    this.#echo = echo;
    this.statusPort = statusPort;
  }

  static async start(runner: readonly string[] | undefined): Promise<Stack> {
    const folder = await mkdtemp(path.join(tmpdir(), 'polygate-services-'));
    const listen = { host: '127.0.0.1', port: 0 };
    const [etcd, echo, probe] = await Promise.all([
      startEtcd(),
      startEchoUpstream(listen),
      startEchoUpstream(listen),
    ]);
    await probe.close();
    const stack = new Stack(folder, etcd, echo, probe.port);
    try {
      await stack.#startServices(runner);
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  async #startServices(runner: readonly string[] | undefined): Promise<void> {
    await this.#writeConfigs(runner);
    const manager = this.#service('runner-manager');
    const admin = this.#service('admin-api');
    await manager.line(/runner manager on /);
    this.#adminUrl = (await admin.line(/Admin API on (http:\S+)/))[1] ?? '';
    await this.startDataPlane();
  }

  /** `dataPlane` and `gateway` are the newest. `another-data-plane` may run beside the first. */
  async startDataPlane(name: 'data-plane' | 'another-data-plane' = 'data-plane'): Promise<void> {
    this.dataPlane = this.#service('data-plane', name);
    this.gateway = (await this.dataPlane.line(/data plane on (http:\S+)/))[1] ?? '';
  }

  upstream(): object {
    return { type: 'roundrobin', nodes: { [`127.0.0.1:${this.#echo.port}`]: 1 } };
  }

  /** A route through the runner's plugin `rewrite-demo`. */
  route(conf: object): object {
    const external = { conf: [{ name: 'rewrite-demo', value: JSON.stringify(conf) }] };
    return { uri: '/old', plugins: { 'ext-plugin-pre-req': external }, upstream: this.upstream() };
  }

  admin(method: string, pathname: string, body?: object): Promise<Response> {
    return fetch(`${this.#adminUrl}/apisix/admin${pathname}`, {
      method,
      headers: { 'X-API-KEY': KEY },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** Writes and waits until the data plane says that it serves this revision. */
  async put(pathname: string, body: object): Promise<{ header: string | null }> {
    const response = await this.admin('PUT', pathname, body);
    expect([200, 201], await response.clone().text()).toContain(response.status);
    const stored = await this.admin('GET', pathname);
    const { modifiedIndex } = (await stored.json()) as { modifiedIndex: number };
    await until(async () => {
      const planes = await (await this.admin('GET', '/polygate/data-planes')).text();
      return [...planes.matchAll(/"applied_revision":(\d+)/g)].some(
        ([, revision]) => Number(revision) >= modifiedIndex,
      );
    });
    return { header: response.headers.get('x-api-version') };
  }

  async get(target: string, init?: RequestInit): Promise<{ status: number; seen: Seen }> {
    const response = await fetch(`${this.gateway}${target}`, init);
    return { status: response.status, seen: (await response.json()) as Seen };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#services.map((service) => service.stop()));
    await Promise.all([this.etcd.close(), this.#echo.close()]);
    await rm(this.#folder, { recursive: true });
  }

  #service(app: string, name = app): ServiceProcess {
    const config = path.join(this.#folder, `${name}.yaml`);
    const service = startService(`apps/${app}/src/main.ts`, ['--config', config]);
    this.#services.push(service);
    return service;
  }

  async #writeConfigs(runner: readonly string[] | undefined): Promise<void> {
    const common = `
polygate: { run_dir: ${this.#folder} }
plugin_attr: { prometheus: { enable_export_server: false } }
`;
    const etcd = `etcd: { host: ["${this.etcd.endpoint}"], timeout: 5 }`;
    const dataPlane = (statusPort: number): string => `${common}
apisix:
  node_listen: [{ ip: 127.0.0.1, port: 0 }]
  enable_control: false
  status: { ip: 127.0.0.1, port: ${statusPort} }
nginx_config: { worker_processes: 2 }
deployment:
  role: data_plane
  role_data_plane: { config_provider: etcd }
  ${etcd}
`;
    const configs = {
      'runner-manager': `${common}ext-plugin: { cmd: ${JSON.stringify(runner ?? ['true'])} }\n`,
      'admin-api': `${common}
deployment:
  role: control_plane
  role_control_plane: { config_provider: etcd }
  admin:
    admin_listen: { ip: 127.0.0.1, port: 0 }
    admin_key: [{ name: admin, key: "${KEY}", role: admin }]
  ${etcd}
`,
      'data-plane': dataPlane(this.statusPort),
      'another-data-plane': dataPlane(0),
    };
    for (const [name, text] of Object.entries(configs)) {
      await writeFile(path.join(this.#folder, `${name}.yaml`), text);
    }
  }
}

export async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}
