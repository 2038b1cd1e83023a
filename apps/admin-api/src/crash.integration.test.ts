// Nothing that was acknowledged is lost, and nothing is half there, when a process is killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type EtcdServer, hasEtcd, startEtcd } from '@polygate/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const KEY = 'key-of-the-crash-tests';
const WRITERS = 4;
const KILLS = 2;
const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };

let folder: string;
let child: ChildProcess | undefined;
let etcd: EtcdServer | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'admin-crash-'));
});
afterEach(async () => {
  await killApi();
  await etcd?.close();
  etcd = undefined;
  await rm(folder, { recursive: true });
});

const configOf = (role: string, provider: string) => `
apisix: { status: { ip: 127.0.0.1, port: 0 } }
deployment:
  role: ${role}
  role_${role}: { config_provider: ${provider} }
  etcd: { host: ['${etcd?.endpoint ?? 'http://127.0.0.1:1'}'], timeout: 2 }
  admin: { admin_key: [{ name: a, key: ${KEY} }], admin_listen: { ip: 127.0.0.1, port: 0 } }
nginx_config: { error_log_level: error }
polygate:
  data_dir: ${join(folder, 'data')}
  control: { listen: '127.0.0.1:0' }
`;

/** Resolves with its address. */
async function startApi(entry: string, ...args: readonly string[]): Promise<string> {
  const main = fileURLToPath(new URL(entry, import.meta.url));
  const started = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  child = started;
  let output = '';
  for (const stream of [started.stdout, started.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const find = () => /Admin API on (\S+)\n/.exec(output)?.[1];
  await expect.poll(find, { timeout: 30_000, interval: 20, message: output }).toBeDefined();
  return String(find());
}

async function killApi(): Promise<void> {
  const killed = child;
  child = undefined;
  if (killed === undefined || killed.exitCode !== null || killed.signalCode !== null) return;
  killed.kill('SIGKILL');
  await once(killed, 'exit');
}

async function call(base: string, method: string, path: string, body?: unknown): Promise<Response> {
  return fetch(`${base}/apisix/admin${path}`, {
    method,
    headers: { 'X-API-KEY': KEY },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

/** The number of the last write of each kind that was acknowledged, by writer. */
interface Acknowledged {
  readonly put: Map<number, number>;
  readonly transaction: Map<number, number>;
}

/** Writes without pause until it is stopped; what fails is tried again with the next number. */
function startWriters(base: () => string) {
  const acknowledged: Acknowledged = { put: new Map(), transaction: new Map() };
  let stopped = false;
  let last = 0;
  const attempt = async (method: string, path: string, body?: unknown): Promise<boolean> => {
    try {
      const answer = await call(base(), method, path, body);
      await answer.arrayBuffer();
      return answer.ok;
    } catch {
      // the process or the store is away: nobody has acknowledged anything
      return false;
    }
  };
  const write = async (writer: number) => {
    while (!stopped) {
      last += 1;
      const n = last;
      const route = { uri: `/${n}`, desc: String(n), upstream };
      if (await attempt('PUT', `/routes/p${writer}`, route)) acknowledged.put.set(writer, n);
      const changes = ['a', 'b', 'c'].map((part) => ({
        method: 'PUT',
        path: `/routes/t${writer}-${part}`,
        body: { uri: '/', desc: String(n), service_id: `s${writer}` },
      }));
      const service = { method: 'PUT', path: `/services/s${writer}`, body: { upstream } };
      const all = { changes: [...changes, service] };
      if (await attempt('POST', '/polygate/transaction', all)) {
        acknowledged.transaction.set(writer, n);
      }
      const username = `c${writer}`;
      await attempt('PUT', '/consumers', { username });
      await attempt('PUT', `/consumers/${username}/credentials/1`, {});
      await attempt('DELETE', `/consumers/${username}`);
    }
  };
  const done = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
  return {
    acknowledged,
    count: () => last,
    stop: async () => {
      stopped = true;
      await done;
    },
  };
}

type Writers = ReturnType<typeof startWriters>;

async function untilMoreWrites(writers: Writers): Promise<void> {
  const before = new Map(writers.acknowledged.transaction);
  const isFurther = () =>
    Array.from({ length: WRITERS }, (_, writer) => {
      const now = writers.acknowledged.transaction.get(writer) ?? 0;
      return now > (before.get(writer) ?? 0);
    });
  await expect
    .poll(isFurther, { timeout: 30_000, interval: 5 })
    .toEqual(Array.from({ length: WRITERS }, () => true));
}

/** All objects of a kind, with the number of the write that made them. */
async function numbersOf(base: string, kind: string): Promise<Map<string, number>> {
  const answer = await call(base, 'GET', `/${kind}`);
  const { list } = (await answer.json()) as { list: { key: string; value: { desc?: string } }[] };
  return new Map(list.map(({ key, value }) => [key.split('/').at(-1) ?? '', Number(value.desc)]));
}

async function expectWhole(base: string, { acknowledged }: Writers): Promise<void> {
  const routes = await numbersOf(base, 'routes');
  const consumers = await numbersOf(base, 'consumers');
  for (let writer = 0; writer < WRITERS; writer += 1) {
    // a later write may have happened although nobody was told; an older one must not remain
    const put = acknowledged.put.get(writer) ?? 0;
    expect(routes.get(`p${writer}`) ?? 0).toBeGreaterThanOrEqual(put);
    const parts = ['a', 'b', 'c'].map((part) => routes.get(`t${writer}-${part}`) ?? 0);
    expect(new Set(parts).size).toBe(1);
    expect(parts[0]).toBeGreaterThanOrEqual(acknowledged.transaction.get(writer) ?? 0);
    const credentials = await call(base, 'GET', `/consumers/c${writer}/credentials`);
    if (credentials.ok) expect(consumers.has(`c${writer}`)).toBe(true);
  }
}

test('with the embedded store the Admin API is killed and loses nothing', async () => {
  const file = join(folder, 'config.yaml');
  await writeFile(file, configOf('traditional', 'embedded'));
  let base = await startApi('embedded-admin.fixture.ts', file);
  const writers = startWriters(() => base);
  for (let kill = 0; kill < KILLS; kill += 1) {
    await untilMoreWrites(writers);
    await killApi();
    base = await startApi('embedded-admin.fixture.ts', file);
  }
  await writers.stop();
  await expectWhole(base, writers);
}, 120_000);

describe.skipIf(!hasEtcd())('with etcd', () => {
  test('etcd and the Admin API are killed in turn and lose nothing', async () => {
    etcd = await startEtcd();
    const file = join(folder, 'config.yaml');
    await writeFile(file, configOf('control_plane', 'etcd'));
    let base = await startApi('main.ts', '--config', file);
    const writers = startWriters(() => base);
    for (let kill = 0; kill < KILLS; kill += 1) {
      await untilMoreWrites(writers);
      await etcd.kill();
      await etcd.start();
      await untilMoreWrites(writers);
      await killApi();
      base = await startApi('main.ts', '--config', file);
    }
    await writers.stop();
    await expectWhole(base, writers);
  }, 120_000);
});
