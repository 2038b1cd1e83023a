import { type EtcdServer, hasEtcd, startEtcd } from '@polygate/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type EtcdStore, openEtcdStore } from './etcd-store.ts';
import { recordWatch, silentLog as log } from '../watch-recorder.ts';

describe.skipIf(!hasEtcd())('EtcdStore and an etcd that goes and comes', () => {
  let etcd: EtcdServer;
  let store: EtcdStore;

  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd.close());
  afterEach(() => store.close());

  const open = (timeoutMs = 10_000) =>
    openEtcdStore({ endpoints: [etcd.endpoint], timeoutMs, retryDelayMs: 20, log });

  test('says why when etcd is down at the start, and begins once it is up', async () => {
    await etcd.stop();
    store = open();
    const watch = recordWatch(store);
    await watch.until(() => watch.events.length === 1);
    expect(watch.events[0]).toMatchObject({
      kind: 'status',
      connected: false,
      reason: expect.stringContaining('ECONNREFUSED'),
    });
    await expect(store.get('/routes/1')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(store.put('/routes/1', {})).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await etcd.start();
    await watch.until(() => watch.resyncs.length === 1);
    expect(watch.events.map(({ kind }) => kind)).toEqual(['status', 'status', 'resync']);
    expect(watch.statuses[1]).toEqual({ kind: 'status', connected: true });
    await watch.stop();
  });

  test('stops retrying when the signal aborts', async () => {
    await etcd.stop();
    store = open();
    const watch = recordWatch(store);
    await watch.until(() => watch.statuses.length === 1);
    await watch.stop();
    await etcd.start();
  });

  for (const end of ['stop', 'kill'] as const) {
    test(`resumes where it was after ${end} and a new start`, async () => {
      store = open();
      await store.put('/routes/1', { v: 1 });
      const watch = recordWatch(store);
      await watch.until(() => watch.items.size === 1);
      await etcd[end]();
      await watch.until(() => watch.statuses.length === 1);
      expect(watch.statuses[0]?.connected).toBe(false);
      await etcd.start();
      await store.put('/routes/1', { v: 2 });
      await watch.until(() => watch.changes.length === 1);
      expect(watch.changes[0]).toMatchObject({ item: { key: '/routes/1', value: { v: 2 } } });
      expect(watch.statuses.map(({ connected }) => connected)).toEqual([false, true]);
      expect(watch.resyncs).toHaveLength(1);
      await watch.stop();
      await store.delete('/routes/1');
    });
  }

  test('answers UNAVAILABLE within its time limit when etcd hangs', async () => {
    store = open(300);
    await store.get('/routes/1');
    const resume = await etcd.freeze();
    try {
      await expect(store.get('/routes/1')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await expect(store.list('/')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await expect(store.delete('/routes/1')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    } finally {
      resume();
    }
  });

  test('reads everything anew from an etcd that lost its history', async () => {
    store = open();
    for (let n = 0; n < 10; n += 1) await store.put(`/routes/${n}`, {});
    const watch = recordWatch(store);
    await watch.until(() => watch.items.size === 10);
    await etcd.kill();
    await etcd.start({ empty: true });
    await etcd.ctl(['put', '/apisix/routes/restored', '{}']);
    await watch.until(() => watch.resyncs.length === 2);
    await watch.until(() => watch.items.size === 1);
    expect([...watch.items.keys()]).toEqual(['/routes/restored']);
    await watch.stop();
  });
});
