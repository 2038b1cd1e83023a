import assert from 'node:assert';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startService } from '../service-process.ts';
import type { ServiceProcess } from '../service-process.ts';
import { startDigestUpstream } from './digest-upstream.ts';
import type { DigestUpstream } from './digest-upstream.ts';

const KEY = 'key-of-this-test-only';
/** Longer than a cold Java machine on a busy machine takes. */
const SERVE_MS_MAX = 90_000;
/** Characters of the gateway's log in the message of a test that failed. */
const OUTPUT_SHOWN = 3000;

/** Route id → its `plugins`. The route has the URI `/<id>`. */
export type MatrixRoutes = Readonly<Record<string, object>>;

/** The all-in-one gateway, with one runner and a digest upstream. */
export class MatrixGateway {
  readonly #folder: string;
  readonly #upstream: DigestUpstream;
  #service!: ServiceProcess;
  #admin = '';
  #writes = 0;
  url = '';

  private constructor(folder: string, upstream: DigestUpstream) {
    this.#folder = folder;
    this.#upstream = upstream;
  }

  /** `runner`: YAML that says what the runner is. */
  static async start(runner: string, env: NodeJS.ProcessEnv = {}): Promise<MatrixGateway> {
    const folder = await mkdtemp(path.join(tmpdir(), 'polygate-matrix-'));
    const gateway = new MatrixGateway(folder, await startDigestUpstream());
    const file = path.join(folder, 'config.yaml');
    await writeFile(file, configText(runner));
    gateway.#service = startService('tools/start.ts', ['--config', file], env);
    try {
      [, gateway.url = ''] = await gateway.#service.line(/Polygate serves on (http:\S+)/);
      [, gateway.#admin = ''] = await gateway.#service.line(/Admin API on (http:\S+)/);
    } catch (error) {
      await gateway.stop();
      throw error;
    }
    return gateway;
  }

  /** Writes routes and waits until they are served. */
  async put(routes: MatrixRoutes): Promise<void> {
    const nodes = { [`127.0.0.1:${this.#upstream.port}`]: 1 };
    const upstream = { type: 'roundrobin', nodes };
    await Promise.all(
      Object.entries(routes).map(async ([id, plugins]) => {
        const response = await this.admin('PUT', `/routes/${id}`, {
          uri: `/${id}`,
          plugins,
          upstream,
        });
        assert(response.ok, `${id}: ${await response.text()}`);
      }),
    );
    // written last, so served last
    this.#writes += 1;
    const marker = `marker-${this.#writes}`;
    await this.admin('PUT', '/routes/marker', { uri: `/${marker}`, upstream });
    await this.until(`/${marker}`, ({ status }) => status === 200);
  }

  /** Removes routes and waits until they are gone. */
  async remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      await this.admin('DELETE', `/routes/${id}`);
      await this.until(`/${id}`, ({ status }) => status === 404);
    }
  }

  admin(method: string, pathname: string, body?: object): Promise<Response> {
    return fetch(`${this.#admin}${pathname}`, {
      method,
      headers: { 'X-API-KEY': KEY },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** Has a new generation of the runner take over. Waits for no back-off after crashes. */
  async restartRunner(): Promise<void> {
    const response = await this.admin('POST', '/polygate/runners/default/restart');
    assert(response.ok, `restart: ${await response.text()}`);
  }

  /** Asks until the answer is as wanted; fails after a minute and a half. */
  async until(pathname: string, holds: (response: Response) => boolean): Promise<void> {
    const endMs = performance.now() + SERVE_MS_MAX;
    for (;;) {
      const response = await fetch(`${this.url}${pathname}`);
      await response.arrayBuffer();
      if (holds(response)) return;
      assert(
        performance.now() < endMs,
        `${pathname} goes on answering ${response.status}:\n${this.output().slice(-OUTPUT_SHOWN)}`,
      );
      await sleep(20);
    }
  }

  output(): string {
    return this.#service.output();
  }

  async stop(): Promise<void> {
    await this.#service.stop();
    await this.#upstream.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function configText(runner: string): string {
  return `
apisix:
  node_listen: [{ ip: 127.0.0.1, port: 0 }]
  enable_control: false
  ssl: { enable: false }
deployment:
  admin:
    admin_listen: { ip: 127.0.0.1, port: 0 }
    admin_key: [{ name: admin, key: ${KEY}, role: admin }]
nginx_config: { worker_processes: 1, http: { client_max_body_size: 64m } }
plugin_attr: { prometheus: { enable_export_server: false } }
${runner}
`;
}
