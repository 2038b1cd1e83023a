import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startService } from './service-process.ts';
import type { ServiceProcess } from './service-process.ts';

let folder: string;
let service: ServiceProcess;
let gateway: string;
let admin: string;
let key: string;

const CONFIG = `
apisix:
  node_listen: [{ ip: 127.0.0.1, port: 0 }]
  ssl: { listen: [{ ip: 127.0.0.1, port: 0 }] }
  enable_control: false
deployment: { admin: { admin_listen: { ip: 127.0.0.1, port: 0 } } }
nginx_config: { worker_processes: 2 }
plugin_attr: { prometheus: { enable_export_server: false } }
ext-plugin: { cmd: [node, libs/plugin-runner/src/main.ts] }
polygate:
  sample: true
  echo_upstream: { ip: 127.0.0.1, port: 0 }
`;

async function start(): Promise<ServiceProcess> {
  const started = startService('tools/start.ts', ['--config', path.join(folder, 'config.yaml')]);
  gateway = (await started.line(/Polygate serves on (http:\S+)/))[1] ?? '';
  admin = (await started.line(/Admin API on (http:\S+)/))[1] ?? '';
  return started;
}

const adminCall = (pathname: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`${admin}${pathname}`, { ...init, headers: { 'X-API-KEY': key } });

const runnerPids = (): string[] =>
  execFileSync('ps', ['-eo', 'pid,ppid,args'])
    .toString()
    .split('\n')
    .filter((line) => line.includes('libs/plugin-runner/src/main.ts'))
    .filter((line) => line.split(/\s+/).includes(String(service.pid)));

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'polygate-start-'));
  await writeFile(path.join(folder, 'config.yaml'), CONFIG);
  service = await start();
  key = await readFile(path.join(folder, 'data/admin.key'), 'utf8').then((text) => text.trim());
});
afterAll(async () => {
  await service.stop('SIGKILL');
  await rm(folder, { recursive: true });
});

describe('npm start', () => {
  test('serves the sample route through an external plugin', async () => {
    const response = await fetch(`${gateway}/hello`);
    const seen = (await response.json()) as { uri: string; headers: Record<string, string> };
    expect(response.status).toBe(200);
    expect(seen.uri).toBe('/hello');
    expect(seen.headers['x-runner']).toBe('typescript');
  });

  test('keeps its admin key to the owner and shows it once', async () => {
    const file = path.join(folder, 'data/admin.key');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(key.length).toBeGreaterThanOrEqual(32);
    expect(service.output().split(key)).toHaveLength(2);
    expect((await fetch(`${admin}/routes`)).status).toBe(401);
    expect((await adminCall('/routes/hello')).status).toBe(200);
  });

  test('serves what the Admin API writes, also after a restart', async () => {
    const { value } = (await (await adminCall('/routes/hello')).json()) as {
      value: { upstream: object };
    };
    const body = JSON.stringify({ uri: '/mine', upstream: value.upstream });
    expect((await adminCall('/routes/mine', { method: 'PUT', body })).status).toBe(201);
    const isServed = async (): Promise<boolean> => (await fetch(`${gateway}/mine`)).status === 200;
    while (!(await isServed())) await new Promise((resolve) => setTimeout(resolve, 10));

    expect(await service.stop('SIGTERM')).toBe(0);
    service = await start();
    // the sample's upstream is gone with its port: 502 says that the route is there
    expect([200, 502]).toContain((await fetch(`${gateway}/mine`)).status);
    expect(service.output()).not.toContain(key);
  });

  test('stops everything on Ctrl-C, the runner too', async () => {
    while (runnerPids().length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await service.stop('SIGINT')).toBe(0);
    expect(runnerPids()).toEqual([]);
    await expect(fetch(`${gateway}/hello`)).rejects.toThrow();
  });

  test('ends with code 1 and the reason when its port is taken', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const other = await mkdtemp(path.join(tmpdir(), 'polygate-taken-'));
    const file = path.join(other, 'config.yaml');
    await writeFile(file, CONFIG.replace('port: 0 }]\n  ssl', `port: ${port} }]\n  ssl`));
    const wrong = startService('tools/start.ts', ['--config', file]);
    await wrong.line(/cannot serve: .*EADDRINUSE/);
    expect(await wrong.exited).toBe(1);
    taken.close();
    await rm(other, { recursive: true });
  });

  test('names what is wrong in a configuration file and does not start', async () => {
    const file = path.join(folder, 'wrong.yaml');
    await writeFile(file, 'apisix: { node_listen: nine }\n');
    const wrong = startService('tools/start.ts', ['--config', file]);
    await wrong.line(/apisix\.node_listen: expected a port/);
    expect(await wrong.exited).toBe(1);
  });
});
