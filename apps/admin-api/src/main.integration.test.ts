import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type EtcdServer, hasEtcd, startEtcd } from '@polygate/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const main = fileURLToPath(new URL('main.ts', import.meta.url));

let folder: string;
let child: ChildProcess | undefined;
let etcd: EtcdServer | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'admin-main-'));
});
afterEach(async () => {
  if (child?.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await etcd?.close();
  etcd = undefined;
  await rm(folder, { recursive: true });
});

async function run(yaml: string) {
  const file = join(folder, 'config.yaml');
  await writeFile(file, yaml);
  const started = spawn(process.execPath, [main, '--config', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child = started;
  let output = '';
  for (const stream of [started.stdout, started.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  return { process: started, output: () => output };
}

const configOf = (provider: string, endpoint: string) => `
apisix: { status: { ip: 127.0.0.1, port: 0 } }
deployment:
  role: control_plane
  role_control_plane: { config_provider: ${provider} }
  etcd: { host: ['${endpoint}'], timeout: 2 }
  admin: { admin_key: [{ name: a, key: secret }], admin_listen: { ip: 127.0.0.1, port: 0 } }
polygate:
  data_dir: ${join(folder, 'data')}
  control: { listen: '127.0.0.1:0' }
`;

test('the service refuses the embedded store, and says what to do', async () => {
  const { process: service, output } = await run(configOf('embedded', 'http://127.0.0.1:1'));
  const [code] = (await once(service, 'exit')) as [number];
  expect(code).toBe(1);
  expect(output()).toContain('set config_provider to etcd');
});

describe.skipIf(!hasEtcd())('the service on etcd', () => {
  test('is ready once etcd answers, serves, and ends in order on SIGTERM', async () => {
    etcd = await startEtcd();
    await etcd.stop();
    const { process: service, output } = await run(configOf('etcd', etcd.endpoint));
    const find = (what: RegExp) => what.exec(output())?.[1];
    await expect.poll(() => find(/status on (\S+)\n/), { timeout: 20_000 }).toBeDefined();
    const status = `${find(/status on (\S+)/)}/status/ready`;
    const routes = `${find(/Admin API on (\S+)/)}/apisix/admin/routes`;
    const headers = { 'x-api-key': 'secret' };

    expect((await fetch(status)).status).toBe(503);
    expect((await fetch(routes, { headers })).status).toBe(503);
    await etcd.start();
    await expect
      .poll(async () => (await fetch(status)).status, { timeout: 30_000, interval: 200 })
      .toBe(200);
    expect((await fetch(routes, { headers })).status).toBe(200);

    const exit = once(service, 'exit');
    service.kill('SIGTERM');
    expect(await exit).toEqual([0, null]);
  });
});
