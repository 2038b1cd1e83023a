import {
  type EtcdServer,
  hasEtcd,
  startEtcd,
  startTcpProxy,
  type TcpProxy,
} from '@polygate/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { pause } from './back-off.ts';
import { type EtcdStore, type EtcdStoreOptions, openEtcdStore } from './etcd-store.ts';
import { recordWatch, silentLog as log, waitFor, type WatchRecorder } from '../watch-recorder.ts';

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function open(options: Partial<EtcdStoreOptions> & Pick<EtcdStoreOptions, 'endpoints'>): EtcdStore {
  const store = openEtcdStore({ timeoutMs: 10_000, retryDelayMs: 20, log, ...options });
  cleanUps.push(() => store.close());
  return store;
}

function watched(store: EtcdStore): WatchRecorder {
  const watch = recordWatch(store);
  cleanUps.push(() => watch.stop());
  return watch;
}

async function proxyTo(port: number): Promise<TcpProxy & { endpoint: string }> {
  const proxy = await startTcpProxy(port);
  cleanUps.push(() => proxy.close());
  return Object.assign(proxy, { endpoint: `http://127.0.0.1:${proxy.port}` });
}

/** An endpoint where nothing listens. */
async function deadEndpoint(): Promise<string> {
  const proxy = await startTcpProxy(1);
  await proxy.close();
  return `http://127.0.0.1:${proxy.port}`;
}

describe.skipIf(!hasEtcd())('EtcdStore', () => {
  let etcd: EtcdServer;
  let prefix: string;
  let prefixes = 0;

  beforeAll(async () => {
    const args = [
      '--grpc-keepalive-min-time=100ms',
      '--experimental-watch-progress-notify-interval=100ms',
    ];
    etcd = await startEtcd({ args });
  });
  afterAll(() => etcd.close());

  const onOwnPrefix = (sentence: string, check: () => Promise<void>) =>
    test(sentence, async () => {
      prefixes += 1;
      prefix = `/apisix-${prefixes}`;
      await check();
    });

  onOwnPrefix('lays keys and values out as APISIX does', async () => {
    const store = open({ endpoints: [etcd.endpoint], prefix });
    await store.put('/routes/1', { uri: '/a' });
    const { id } = await store.push('/routes', { uri: '/b' });
    const printed = await etcd.ctl(['get', '--prefix', prefix]);
    expect(printed.trim().split('\n')).toEqual([
      ...[`${prefix}/gen_id`, '1'],
      ...[`${prefix}/routes/${id}`, `{"uri":"/b","id":"${id}"}`],
      ...[`${prefix}/routes/1`, '{"uri":"/a"}'],
    ]);
  });

  onOwnPrefix('neither lists, watches nor deletes what APISIX keeps for itself', async () => {
    await etcd.ctl(['put', `${prefix}/routes/`, 'init_dir']);
    await etcd.ctl(['put', `${prefix}/gen_id`, '1']);
    const store = open({ endpoints: [etcd.endpoint], prefix });
    const watch = watched(store);
    await watch.until(() => watch.resyncs.length === 1);
    expect(watch.resyncs[0]?.items).toEqual([]);
    await etcd.ctl(['put', `${prefix}/services/`, 'init_dir']);
    await store.push('/routes', {});
    await watch.until(() => watch.changes.length === 1);
    expect(watch.changes[0]).toMatchObject({ kind: 'put', item: { key: /^\/routes\/0+\d+$/ } });
    expect(await store.deletePrefix('/routes/')).toMatchObject({ deleted: 1 });
    expect(await etcd.ctl(['get', `${prefix}/routes/`])).toContain('init_dir');
  });

  onOwnPrefix('marks an item that is no JSON as invalid, in reads and in the watch', async () => {
    const store = open({ endpoints: [etcd.endpoint], prefix });
    const watch = watched(store);
    await watch.until(() => watch.resyncs.length === 1);
    await etcd.ctl(['put', `${prefix}/routes/1`, '{uri:']);
    const item = await store.get('/routes/1');
    expect(item).toMatchObject({ value: undefined, invalid: expect.stringMatching(/^not JSON: /) });
    await watch.until(() => watch.changes.length === 1);
    expect(watch.changes[0]).toEqual({ kind: 'put', item });
  });

  onOwnPrefix('reads more items than one page holds, at one revision', async () => {
    const store = open({ endpoints: [etcd.endpoint], prefix });
    const count = 2345;
    const ids = Array.from({ length: count }, (_, i) => i);
    await Promise.all(ids.map((i) => store.put(`/routes/${i}`, { i })));
    const { items, revision } = await store.list('/routes/');
    expect(new Set(items.map(({ key }) => key)).size).toBe(count);
    const indexes = items.map(({ createdIndex }) => createdIndex);
    expect(indexes).toEqual(indexes.toSorted((a, b) => a - b));
    expect(indexes.at(-1)).toBeLessThanOrEqual(revision);
  });

  onOwnPrefix('reads in smaller pages what is too large for one answer', async () => {
    const store = open({ endpoints: [etcd.endpoint], prefix, answerBytesMax: 4 * 1024 * 1024 });
    const text = 'x'.repeat(250_000);
    for (let i = 0; i < 20; i += 1) await store.put(`/routes/${i}`, { i, text });
    expect((await store.list('/')).items.map(({ value }) => value)).toEqual(
      Array.from({ length: 20 }, (_, i) => ({ i, text })),
    );
  });

  onOwnPrefix('reads, writes and watches on the endpoint that is up', async () => {
    const endpoints = [await deadEndpoint(), etcd.endpoint];
    const writer = open({ endpoints, prefix });
    await writer.put('/routes/1', { v: 1 });
    const reader = open({ endpoints, prefix });
    expect(await reader.get('/routes/1')).toMatchObject({ value: { v: 1 } });
    const watch = watched(open({ endpoints, prefix }));
    await watch.until(() => watch.items.has('/routes/1'));
  });

  onOwnPrefix('moves the watch and the calls off an endpoint that falls silent', async () => {
    const proxy = await proxyTo(etcd.port);
    const endpoints = [proxy.endpoint, etcd.endpoint];
    const store = open({ endpoints, prefix, keepAliveMs: 200, keepAliveTimeoutMs: 200 });
    const watch = watched(store);
    await store.put('/routes/1', {});
    await watch.until(() => watch.items.has('/routes/1'));
    proxy.silence();
    expect(await store.get('/routes/1')).toBeDefined();
    await store.put('/routes/2', {});
    await watch.until(() => watch.items.has('/routes/2'));
    expect(watch.resyncs).toHaveLength(1);
  });

  onOwnPrefix('does not repeat a write whose answer is missing', async () => {
    const proxy = await proxyTo(etcd.port);
    const endpoints = [proxy.endpoint, etcd.endpoint];
    const store = open({ endpoints, prefix, timeoutMs: 600 });
    await store.get('/routes/1');
    proxy.silence();
    const put = store.put('/routes/1', {});
    await expect(put).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect((await store.put('/routes/1', {})).created).toBe(true);
  });

  onOwnPrefix('finds a new connection for calls when the old one is dead', async () => {
    const proxy = await proxyTo(etcd.port);
    // Pings so rare that they cannot be what finds out.
    const options = { timeoutMs: 500, keepAliveMs: 3_600_000 };
    const store = open({ endpoints: [proxy.endpoint], prefix, ...options });
    await store.put('/routes/1', {});
    proxy.silence();
    await expect(store.get('/routes/1')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    proxy.restore();
    const found = () => store.get('/routes/1').catch(() => undefined);
    await waitFor(async () => (await found()) !== undefined);
  });

  onOwnPrefix('notices a silent connection and resumes on a new one', async () => {
    const proxy = await proxyTo(etcd.port);
    const quick = { keepAliveMs: 200, keepAliveTimeoutMs: 200 };
    const watch = watched(open({ endpoints: [proxy.endpoint], prefix, ...quick }));
    await watch.until(() => watch.resyncs.length === 1);
    proxy.silence();
    const writer = open({ endpoints: [etcd.endpoint], prefix });
    await writer.put('/routes/1', {});
    await watch.until(() => watch.statuses.length === 1);
    expect(watch.statuses[0]).toMatchObject({ connected: false, reason: expect.any(String) });
    proxy.restore();
    await watch.until(() => watch.items.has('/routes/1'));
    expect(watch.statuses.at(-1)).toEqual({ kind: 'status', connected: true });
    expect(watch.resyncs).toHaveLength(1);
  });

  onOwnPrefix('sees all of 2,000 writes in order although its connection is cut', async () => {
    const proxy = await proxyTo(etcd.port);
    const watch = watched(open({ endpoints: [proxy.endpoint], prefix }));
    await watch.until(() => watch.resyncs.length === 1);
    const writer = open({ endpoints: [etcd.endpoint], prefix });
    const written: number[] = [];
    const write = async (n: number) => {
      const { item } = await writer.put(`/routes/${n % 50}`, { n });
      written.push(item.modifiedIndex);
    };
    const cuts = 8;
    for (let n = 0; n < 2000; n += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, i) => write(n + i)));
      if (n % (2000 / cuts) === 0) proxy.cut();
    }
    await watch.until(() => watch.changes.length >= 2000);
    const seen = watch.changes.map((c) => (c.kind === 'put' ? c.item.modifiedIndex : 0));
    expect(seen).toEqual(written.toSorted((a, b) => a - b));
    expect(watch.resyncs).toHaveLength(1);
    expect(watch.statuses.filter(({ connected }) => !connected).length).toBeGreaterThan(0);
    const { items } = await writer.list('/');
    expect([...watch.items.values()].toSorted((a, b) => a.createdIndex - b.createdIndex)).toEqual(
      items,
    );
  });

  onOwnPrefix('takes up a backlog larger than one message', async () => {
    const proxy = await proxyTo(etcd.port);
    const watch = watched(open({ endpoints: [proxy.endpoint], prefix }));
    await watch.until(() => watch.resyncs.length === 1);
    proxy.silence();
    proxy.cut();
    const writer = open({ endpoints: [etcd.endpoint], prefix });
    const text = 'x'.repeat(900_000);
    for (let n = 0; n < 8; n += 1) await writer.put(`/routes/${n}`, { n, text });
    proxy.restore();
    proxy.cut();
    await watch.until(() => watch.changes.length === 8);
    expect(watch.changes.map((c) => c.kind === 'put' && c.item.value)).toEqual(
      Array.from({ length: 8 }, (_, n) => ({ n, text })),
    );
    expect(watch.resyncs).toHaveLength(1);
  });

  onOwnPrefix('reads everything anew when what it missed was compacted', async () => {
    const proxy = await proxyTo(etcd.port);
    const writer = open({ endpoints: [etcd.endpoint], prefix });
    for (const id of ['kept', 'changed', 'deleted']) await writer.put(`/routes/${id}`, { v: 1 });
    const watch = watched(open({ endpoints: [proxy.endpoint], prefix, timeoutMs: 1000 }));
    await watch.until(() => watch.items.size === 3);
    proxy.silence();
    proxy.cut();
    await watch.until(() => watch.statuses.length === 1);
    await writer.put('/routes/changed', { v: 2 });
    await writer.delete('/routes/deleted');
    await writer.put('/routes/new', { v: 1 });
    await etcd.compact();
    proxy.restore();
    proxy.cut();
    await watch.until(() => watch.resyncs.length === 2);
    const { items, revision } = await writer.list('/');
    expect(watch.resyncs[1]).toEqual({ kind: 'resync', revision, items });
    await writer.put('/routes/kept', { v: 2 });
    await watch.until(() => watch.changes.length === 1);
  });

  onOwnPrefix('stays ahead of compaction while its own prefix is idle', async () => {
    const proxy = await proxyTo(etcd.port);
    const watch = watched(open({ endpoints: [proxy.endpoint], prefix }));
    const other = open({ endpoints: [etcd.endpoint], prefix: `${prefix}-other` });
    const own = open({ endpoints: [etcd.endpoint], prefix });
    await watch.until(() => watch.resyncs.length === 1);
    // Progress cannot be seen from outside, only that it spared a resync: longer waits until so.
    for (let waitMs = 200; waitMs < 10_000; waitMs *= 2) {
      const resyncs = watch.resyncs.length;
      for (let n = 0; n < 5; n += 1) await other.put('/routes/1', { n });
      await pause(waitMs, AbortSignal.timeout(10_000));
      await etcd.compact();
      const statuses = watch.statuses.length;
      proxy.cut();
      await watch.until(() => watch.statuses.length > statuses);
      await own.put(`/routes/after-${waitMs}`, {});
      await watch.until(() => watch.items.has(`/routes/after-${waitMs}`));
      if (watch.resyncs.length === resyncs) return;
    }
    expect.unreachable('each reconnection after a compaction needed a resync');
  });
});
