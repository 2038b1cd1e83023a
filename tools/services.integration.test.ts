import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  buildGoRunner,
  hasEtcd,
  hasGo,
  hasPythonRunner,
  preparePythonRunner,
  startEtcd,
} from '@polygate/testing';
import type { EtcdServer } from '@polygate/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEchoUpstream } from './echo-upstream.ts';
import type { EchoUpstream } from './echo-upstream.ts';
import { startService } from './service-process.ts';
import type { ServiceProcess } from './service-process.ts';

// The whole: three services as processes of their own over a real etcd, and real plugin runners.

const KEY = 'key-of-this-test-only';
const RUNNERS = [
  { name: 'Go', isHere: hasGo, prepare: buildGoRunner },
  { name: 'Python', isHere: hasPythonRunner, prepare: preparePythonRunner },
] as const;

interface Seen {
  readonly method: string;
  readonly uri: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const withEtcd = hasEtcd();

for (const { name, isHere, prepare } of RUNNERS) {
  describe.skipIf(!withEtcd || !isHere())(`three services over etcd, with a ${name} runner`, () => {
    let stack: Stack;
    beforeAll(async () => {
      stack = await Stack.start(await prepare());
    }, 600_000);
    afterAll(() => stack.stop());

    test('rewrite one request end to end', async () => {
      await stack.put(
        '/routes/1',
        stack.route({ set_headers: { 'X-Runner': name }, path: '/new' }),
      );
      const { status, seen } = await stack.get('/old?a=1');
      expect(status).toBe(200);
      expect(seen).toMatchObject({ method: 'GET', uri: '/new?a=1' });
      expect(seen.headers['x-runner']).toBe(name);
    });

    test('let the runner read variables and the body', async () => {
      await stack.put('/routes/1', stack.route({ vars: ['remote_addr'], digest_body: true }));
      const { seen } = await stack.get('/old', { method: 'POST', body: 'x'.repeat(50_000) });
      expect(seen.headers).toMatchObject({
        'x-var-remote_addr': '127.0.0.1',
        'x-body-bytes': '50000',
      });
      expect(seen.body).toHaveLength(50_000);
    });

    test('let the runner answer itself', async () => {
      const stop = { stop_status: 418, stop_headers: { 'X-Why': 'tea' }, stop_body: 'no coffee' };
      await stack.put('/routes/1', stack.route(stop));
      const response = await fetch(`${stack.gateway}/old`);
      expect([response.status, response.headers.get('x-why')]).toEqual([418, 'tea']);
      expect(await response.text()).toBe('no coffee');
    });

    test('tell by the Admin API what the data plane serves', async () => {
      const { header } = await stack.put('/routes/1', stack.route({}));
      const list = await stack.admin('GET', '/polygate/data-planes');
      expect(header).toBe('v3');
      expect(JSON.stringify(await list.json())).toContain('"applied_revision":');
    });
  });
}

describe.skipIf(!withEtcd)('a data plane over etcd', () => {
  test('starts without etcd, says it is not ready, and serves on when etcd is lost', async () => {
    const stack = await Stack.start(undefined);
    try {
      await stack.put('/routes/1', { uri: '/kept', upstream: stack.upstream() });
      expect((await stack.get('/kept')).status).toBe(200);

      await stack.etcd.stop();
      expect((await stack.get('/kept')).status).toBe(200);

      await stack.dataPlane.stop();
      const restarted = stack.startDataPlane();
      const ready = async (): Promise<number> =>
        fetch(`http://127.0.0.1:${stack.statusPort}/status/ready`).then(
          (response) => response.status,
          () => 0,
        );
      await until(async () => (await ready()) === 503);
      await stack.etcd.start();
      await restarted;
      await until(async () => (await ready()) === 200);
      expect((await stack.get('/kept')).status).toBe(200);
    } finally {
      await stack.stop();
    }
  });
});

class Stack {
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

  async startDataPlane(): Promise<void> {
    this.dataPlane = this.#service('data-plane');
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

  #service(name: string): ServiceProcess {
    const config = path.join(this.#folder, `${name}.yaml`);
    const service = startService(`apps/${name}/src/main.ts`, ['--config', config]);
    this.#services.push(service);
    return service;
  }

  async #writeConfigs(runner: readonly string[] | undefined): Promise<void> {
    const common = `
polygate: { run_dir: ${this.#folder} }
plugin_attr: { prometheus: { enable_export_server: false } }
`;
    const etcd = `etcd: { host: ["${this.etcd.endpoint}"], timeout: 5 }`;
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
      'data-plane': `${common}
apisix:
  node_listen: [{ ip: 127.0.0.1, port: 0 }]
  enable_control: false
  status: { ip: 127.0.0.1, port: ${this.statusPort} }
nginx_config: { worker_processes: 2 }
deployment:
  role: data_plane
  role_data_plane: { config_provider: etcd }
  ${etcd}
`,
    };
    for (const [name, text] of Object.entries(configs)) {
      await writeFile(path.join(this.#folder, `${name}.yaml`), text);
    }
  }
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}
