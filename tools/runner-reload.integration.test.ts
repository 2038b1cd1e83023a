import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePorts } from './bench/free-ports.ts';
import { startService } from './service-process.ts';
import type { ServiceProcess } from './service-process.ts';

// SIGHUP to the all-in-one process, under load.

const KEY = 'a-key-of-the-test-of-32-characters';
const RUNNER = ['node', 'libs/plugin-runner/src/main.ts'];
const DEMO = 'tools/runner-matrix/rewrite-demo.ts';
const waitFor = { timeout: 60_000, interval: 50 };

let folder: string;
let ports: number[];
let service: ServiceProcess;
let gateway: string;
let admin: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'polygate-reload-'));
  ports = await freePorts(2);
  await writeConfig({ cmd: RUNNER, runners: [] });
  service = startService('tools/start.ts', ['--config', configFile()]);
  gateway = (await service.line(/Polygate serves on (http:\S+)/))[1] ?? '';
  admin = (await service.line(/Admin API on (http:\S+)/))[1] ?? '';
}, 60_000);
afterAll(async () => {
  await service.stop('SIGKILL');
  await rm(folder, { recursive: true });
});

const configFile = (): string => path.join(folder, 'config.yaml');

async function writeConfig({ cmd, runners }: { cmd: string[]; runners: object[] }): Promise<void> {
  const [port, adminPort] = ports;
  await writeFile(
    configFile(),
    JSON.stringify({
      apisix: {
        node_listen: [{ ip: '127.0.0.1', port }],
        ssl: { enable: false },
        enable_control: false,
      },
      deployment: {
        admin: {
          admin_listen: { ip: '127.0.0.1', port: adminPort },
          admin_key: [{ name: 'admin', key: KEY, role: 'admin' }],
        },
      },
      nginx_config: { worker_processes: 2, error_log_level: 'info' },
      plugin_attr: { prometheus: { enable_export_server: false } },
      'ext-plugin': { cmd },
      polygate: { sample: true, echo_upstream: { ip: '127.0.0.1', port: 0 }, runners },
    }),
  );
}

/** Sends SIGHUP, and waits for what is said of it. */
async function reload(said: RegExp): Promise<void> {
  const before = service.output().length;
  process.kill(service.pid, 'SIGHUP');
  await vi.waitFor(() => expect(service.output().slice(before)).toMatch(said), waitFor);
}

async function runners(): Promise<{ name: string; generation: number; pids: number[] }[]> {
  const response = await fetch(`${admin}/polygate/runners`, { headers: { 'X-API-KEY': KEY } });
  const { list } = (await response.json()) as {
    list: { name: string; generation: number; instances: { pid: number }[] }[];
  };
  return list.map(({ name, generation, instances }) => ({
    ...{ name, generation },
    pids: instances.map(({ pid }) => pid),
  }));
}

test('SIGHUP takes over the runners of the file without a failed request, of a bad one none', async () => {
  const failed: string[] = [];
  let served = 0;
  const stop = new AbortController();
  const load = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const [status, text] = await fetch(`${gateway}/hello`).then(
        async (response) => [response.status, await response.text()] as const,
        (error: Error) => [0, String(error)] as const,
      );
      if (status === 200 && text.includes('"x-runner": "typescript"')) served += 1;
      else failed.push(`${status} ${text}`);
      await sleep(2);
    }
  };
  await vi.waitFor(async () => {
    expect((await fetch(`${gateway}/hello`)).status).toBe(200);
  }, waitFor);
  const loads = [load(), load(), load(), load()];
  const [first] = await runners();
  expect(first).toMatchObject({ name: 'default', generation: 1 });

  // another command, and a runner more
  const second = { name: 'second', cmd: [...RUNNER, DEMO], plugins: ['rewrite-demo'] };
  const cmd = ['node', '--no-deprecation', ...RUNNER.slice(1)];
  await writeConfig({ cmd, runners: [second] });
  await reload(/configuration taken over: 2 runners/);
  expect((await runners()).map(({ name, generation }) => [name, generation])).toEqual([
    ['default', 2],
    ['second', 1],
  ]);
  await vi.waitFor(() => expect(() => process.kill(first?.pids[0] ?? 0, 0)).toThrow(), waitFor);

  // calls go to the new one by the name of its plugin
  const hello = await fetch(`${admin}/routes/hello`, { headers: { 'X-API-KEY': KEY } });
  const { value: route } = (await hello.json()) as { value: { upstream: object } };
  const value = JSON.stringify({ set_headers: { 'X-Second': 'yes' } });
  const put = await fetch(`${admin}/routes/second`, {
    method: 'PUT',
    headers: { 'X-API-KEY': KEY },
    body: JSON.stringify({
      uri: '/second',
      upstream: route.upstream,
      plugins: { 'ext-plugin-pre-req': { conf: [{ name: 'rewrite-demo', value }] } },
    }),
  });
  expect(put.status).toBe(201);
  const isServed = async (): Promise<void> => {
    const response = await fetch(`${gateway}/second`);
    expect([response.status, await response.text()]).toEqual([
      200,
      expect.stringContaining('"x-second": "yes"'),
    ]);
  };
  await vi.waitFor(isServed, waitFor);

  await writeFile(configFile(), 'polygate: {runners: no list}');
  await reload(/configuration not taken over: .*/);
  await isServed();
  expect((await runners()).map(({ generation }) => generation)).toEqual([2, 1]);

  // and without it again
  await writeConfig({ cmd, runners: [] });
  await reload(/configuration taken over: 1 runners/);
  expect((await runners()).map(({ name, generation }) => [name, generation])).toEqual([
    ['default', 2],
  ]);
  const before = served;
  await vi.waitFor(() => expect(served).toBeGreaterThan(before + 20), waitFor);
  stop.abort();
  await Promise.all(loads);
  expect(failed).toEqual([]);
}, 180_000);
