// Test-only: a real agent of Consul, a server of its own without a disk, on loopback.
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { eventually } from '../../gateway.harness.ts';

/** Whether POLYGATE_CONSUL names an executable; also in CI it is skipped with a line on stderr. */
export function hasConsul(): boolean {
  const { POLYGATE_CONSUL: command } = process.env;
  const missing =
    command === undefined
      ? 'POLYGATE_CONSUL names no executable of Consul'
      : spawnSync(command, ['version']).status !== 0
        ? `POLYGATE_CONSUL is no executable of Consul: ${command}`
        : undefined;
  if (missing === undefined) return true;
  process.stderr.write(`SKIPPED: ${missing}\n`);
  return false;
}

export class ConsulAgent {
  readonly url: string;
  readonly #token: string;
  readonly #args: readonly string[];
  #process: ChildProcess | undefined;

  /** With a token nothing is answered without one. */
  static async start(token = ''): Promise<ConsulAgent> {
    const agent = new ConsulAgent(await freePorts(3), token);
    await agent.start();
    return agent;
  }

  private constructor([http = 0, rpc = 0, serf = 0]: readonly number[], token: string) {
    this.url = `http://127.0.0.1:${http}`;
    this.#token = token;
    const ports = { http, server: rpc, serf_lan: serf };
    const off = { serf_wan: -1, dns: -1, grpc: -1, grpc_tls: -1, https: -1 };
    const written = Object.entries({ ...ports, ...off }).map(([key, port]) => `${key} = ${port}`);
    const acl =
      `acl { enabled = true default_policy = "deny" ` +
      `tokens { initial_management = "${token}" agent = "${token}" } }`;
    this.#args = [
      ...['agent', '-dev', '-bind=127.0.0.1', '-client=127.0.0.1', '-log-level=error'],
      ...['-hcl', 'disable_update_check = true'],
      ...['-hcl', `ports { ${written.join(' ')} }`],
      ...(token === '' ? [] : ['-hcl', acl]),
    ];
  }

  /** Resolves once it is the leader of itself. */
  async start(): Promise<void> {
    const command = process.env['POLYGATE_CONSUL'] ?? '';
    this.#process = spawn(command, this.#args, { stdio: 'ignore' });
    await eventually(async () => {
      const catalog = await this.#send('GET', '/catalog/services').catch(() => undefined);
      return catalog?.status === 200 && (await catalog.text()).includes('consul');
    });
  }

  /** What it knew is gone. */
  async stop(): Promise<void> {
    if (this.#process?.exitCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  /** An instance is named by its address; it passes its check until it is told otherwise. */
  async register(name: string, address: string, port: number): Promise<void> {
    const Check = { TTL: '10m', Status: 'passing' };
    const service = { ID: address, Name: name, Address: address, Port: port, Check };
    await this.#put('/agent/service/register', service);
  }

  async deregister(address: string): Promise<void> {
    await this.#put(`/agent/service/deregister/${address}`);
  }

  async setCheck(address: string, outcome: 'pass' | 'warn' | 'fail'): Promise<void> {
    await this.#put(`/agent/check/${outcome}/service:${address}`);
  }

  async setPair(key: string, value: object): Promise<void> {
    await this.#put(`/kv/${key}`, value);
  }

  async removePair(key: string): Promise<void> {
    const { status } = await this.#send('DELETE', `/kv/${key}`);
    if (status !== 200) throw new Error(`DELETE ${key} was answered ${status}`);
  }

  async #put(path: string, body?: object): Promise<void> {
    const response = await this.#send('PUT', path, body);
    if (response.status === 200) return;
    throw new Error(`PUT ${path} was answered ${response.status}: ${await response.text()}`);
  }

  #send(method: string, path: string, body?: object): Promise<Response> {
    return fetch(`${this.url}/v1${path}`, {
      method,
      headers: { 'X-Consul-Token': this.#token },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
