import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, loadConfig } from '@polygate/chassis';
import { openEtcdStore } from '@polygate/config-store';
import type { ConfigStore } from '@polygate/config-store';
import { hasEtcd, startEtcd } from '@polygate/testing';
import type { EtcdServer } from '@polygate/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startDataPlane } from '../../data-plane.ts';
import type { DataPlane } from '../../data-plane.ts';
import { eventually, request } from '../../gateway.harness.ts';

interface Running {
  readonly plane: DataPlane;
  readonly store: ConfigStore;
  readonly lines: readonly string[];
  status(path: string): Promise<number>;
  metric(name: string): Promise<string | undefined>;
  stop(): Promise<void>;
}

const answer = (code: number): object => ({
  plugins: { echo: { body: 'x' }, 'response-rewrite': { status_code: code } },
  upstream: { type: 'roundrobin', nodes: { '127.0.0.1:1': 1 } },
});

describe.skipIf(!hasEtcd())('a data plane with a real etcd', () => {
  let etcd: EtcdServer;
  let folder: string;
  const running: Running[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'polygate-guard-'));
    etcd = await startEtcd();
  }, 60_000);

  afterEach(async () => {
    for (const one of running.splice(0)) await one.stop();
    await etcd.close();
    await rm(folder, { recursive: true });
  }, 60_000);

  async function start(more = '', wrap = (store: ConfigStore) => store): Promise<Running> {
    const file = join(folder, 'config.yaml');
    await writeFile(file, configOf(etcd.endpoint, folder, more));
    const lines: string[] = [];
    const stream = { write: (line: string): boolean => lines.push(line) > 0 };
    const log = createLogger({ level: 'info', format: 'text', service: 'test', stream });
    const config = loadConfig(file, {});
    const store = openEtcdStore({ ...config.etcd, log, retryDelayMs: 50 });
    const plane = await startDataPlane({ config, store: wrap(store), log });
    const one: Running = {
      plane,
      store,
      lines,
      status: async (path) => (await request({ port: plane.listen[0]?.port ?? 0, path })).status,
      metric: async (name) => {
        const path = '/apisix/prometheus/metrics';
        const { text } = await request({ port: plane.metricsPort ?? 0, path });
        return new RegExp(`^${name}(?:\\{\\})? (\\S+)$`, 'm').exec(text)?.[1];
      },
      stop: async () => {
        await plane.stop(1000);
        await store.close();
      },
    };
    running.push(one);
    return one;
  }

  async function stop(one: Running): Promise<void> {
    running.splice(running.indexOf(one), 1);
    await one.stop();
  }

  const snapshotFile = (): string => join(folder, 'data', 'last-good-snapshot.ndjson');

  test('starts from disk while etcd is away, and follows etcd when it is back', async () => {
    const first = await start();
    await first.store.put('/routes/a', { id: 'a', uri: '/a', ...answer(201) });
    await first.store.put('/routes/b', { id: 'b', uri: '/b', ...answer(202) });
    await first.plane.serving;
    await eventually(async () => (await first.status('/b')) === 202);
    // an invalid version: the valid one before it is the last good one
    const bad = await first.store.put('/routes/b', { id: 'b', uri: 7 });
    await eventually(() => first.plane.appliedRevision() >= bad.item.modifiedIndex);
    await stop(first);
    expect((await stat(snapshotFile())).mode & 0o777).toBe(0o600);
    await etcd.kill();

    const second = await start();
    await second.plane.serving;
    expect(await second.status('/a')).toBe(201);
    expect(await second.status('/b')).toBe(202);
    expect(second.plane.isReady()).toBe(true);
    expect(second.plane.whyStale()).toContain('the store is out of reach');
    expect(await second.metric('apisix_polygate_config_stale')).toBe('1');
    expect(second.lines.join('')).toContain('starting with the last good configuration on disk');

    await etcd.start();
    const other = openEtcdStore({
      ...loadConfig(join(folder, 'config.yaml'), {}).etcd,
      log: { info: () => undefined, warn: () => undefined },
    } as never);
    await other.put('/routes/a', { id: 'a', uri: '/a', ...answer(203) });
    await other.delete('/routes/b');
    await other.close();
    await eventually(async () => (await second.status('/a')) === 203);
    await eventually(async () => (await second.status('/b')) === 404);
    expect(second.plane.whyStale()).toBeUndefined();
    expect(await second.metric('apisix_polygate_config_stale')).toBe('0');
  }, 60_000);

  test('follows an etcd that came back empty, though its revision is smaller', async () => {
    const first = await start();
    for (const code of [201, 202, 203]) {
      await first.store.put('/routes/a', { id: 'a', uri: '/a', ...answer(code) });
    }
    await first.plane.serving;
    await eventually(async () => (await first.status('/a')) === 203);
    await stop(first);
    await etcd.kill();
    const second = await start();
    await second.plane.serving;
    expect(await second.status('/a')).toBe(203);
    await etcd.start({ empty: true });
    await eventually(async () => (await second.status('/a')) === 404);
  }, 60_000);

  test.each([
    ['is cut off', (text: string) => text.slice(0, -40)],
    ['was changed', (text: string) => text.replace('201', '299')],
    ['is of another store', (text: string) => text.replace('"source":"', '"source":"x')],
  ])(
    'does not start from a file that %s',
    async (_, damage) => {
      const first = await start();
      await first.store.put('/routes/a', { id: 'a', uri: '/a', ...answer(201) });
      await first.plane.serving;
      await eventually(async () => (await first.status('/a')) === 201);
      await stop(first);
      await writeFile(snapshotFile(), damage(await readFile(snapshotFile(), 'utf8')));
      await etcd.kill();
      const second = await start();
      await eventually(() => second.lines.some((line) => line.includes('cannot be used')));
      expect(second.plane.isReady()).toBe(false);
    },
    60_000,
  );

  test('keeps nothing on disk where that is switched off, and says why where it cannot', async () => {
    const off = await start('last_good_snapshot: false');
    await off.plane.serving;
    await stop(off);
    await expect(stat(snapshotFile())).rejects.toThrow('ENOENT');
    // a file stands where the folder should be
    await writeFile(join(folder, 'data'), '');
    const blocked = await start();
    await blocked.plane.serving;
    await stop(blocked);
    expect(blocked.lines.join('')).toContain('the last good configuration is not kept');
    await chmod(folder, 0o700);
  }, 60_000);

  test('finds what an event that got lost has changed, and puts it right', async () => {
    const lose = (store: ConfigStore): ConfigStore => ({
      ...bind(store),
      async *watch(signal) {
        for await (const event of store.watch(signal)) {
          if (event.kind !== 'changes') yield event;
          else {
            const changes = event.changes.filter(
              (change) => !(change.kind === 'put' ? change.item.key : change.key).includes('lost'),
            );
            yield { ...event, changes };
          }
        }
      },
    });
    const one = await start('store_check_interval_ms: 200', lose);
    await one.store.put('/routes/gone-lost', { id: 'gone-lost', uri: '/gone', ...answer(201) });
    await one.store.put('/routes/kept', { id: 'kept', uri: '/kept', ...answer(202) });
    await one.plane.serving;
    await eventually(async () => (await one.status('/gone')) === 201);
    await one.store.delete('/routes/gone-lost');
    await one.store.put('/routes/new-lost', { id: 'new-lost', uri: '/new', ...answer(203) });
    await eventually(async () => (await one.status('/new')) === 203);
    await eventually(async () => (await one.status('/gone')) === 404);
    expect(await one.status('/kept')).toBe(202);
    const said = one.lines.filter((line) => line.includes('put right')).join('');
    expect(said).toContain('/routes/gone-lost');
    expect(said).toContain('/routes/new-lost');
    expect(said).not.toContain('/routes/kept');
    expect(Number(await one.metric('apisix_polygate_config_repairs_total'))).toBeGreaterThan(1);
    const checked = Number(await one.metric('apisix_polygate_config_last_check_timestamp_seconds'));
    expect(Date.now() / 1000 - checked).toBeLessThan(60);
  }, 60_000);
});

/** The methods of a class instance do not spread. */
function bind(store: ConfigStore): ConfigStore {
  const bound = (name: keyof ConfigStore): unknown => {
    const member: unknown = Reflect.get(store, name);
    return typeof member === 'function' ? (member.bind(store) as unknown) : member;
  };
  const names = ['writable', 'get', 'list', 'put', 'delete', 'listAt', 'history', 'close'] as const;
  return Object.fromEntries(names.map((name) => [name, bound(name)])) as unknown as ConfigStore;
}

function configOf(endpoint: string, folder: string, more: string): string {
  return `
apisix:
  node_listen: [{ ip: 127.0.0.1, port: 0 }]
  control: { port: 0 }
deployment:
  role: traditional
  role_traditional: { config_provider: etcd }
  etcd: { host: ['${endpoint}'], prefix: /guard, timeout: 5 }
nginx_config: { worker_processes: 1, error_log_level: error }
plugin_attr: { prometheus: { export_addr: { ip: 127.0.0.1, port: 0 } } }
polygate:
  run_dir: ${folder}
  data_dir: ${join(folder, 'data')}
  ${more}
`;
}
