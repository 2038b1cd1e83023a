import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type EtcdServer, hasEtcd, startEtcd } from '@polygate/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ConfigStore } from './config-store.ts';
import { openEmbeddedStore } from './embedded/embedded-store.ts';
import { openEtcdStore } from './etcd/etcd-store.ts';
import { openFileStore } from './file/file-store.ts';
import { recordWatch, silentLog as log, waitFor } from './watch-recorder.ts';

let dir: string;
let etcd: EtcdServer | undefined;
let stores = 0;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'store-contract-'));
});
afterAll(async () => {
  await etcd?.close();
  await rm(dir, { recursive: true });
});

/** A store of its own for each test: a new file, or a new prefix in one etcd. */
const writable: readonly { name: string; run: boolean; open: () => Promise<ConfigStore> }[] = [
  {
    name: 'EmbeddedStore in memory',
    run: true,
    open: () => Promise.resolve(openEmbeddedStore({ file: ':memory:', log })),
  },
  {
    name: 'EmbeddedStore in a file',
    run: true,
    open: () => {
      stores += 1;
      return Promise.resolve(openEmbeddedStore({ file: path.join(dir, `${stores}.db`), log }));
    },
  },
  {
    name: 'EtcdStore',
    run: hasEtcd(),
    open: async () => {
      stores += 1;
      etcd ??= await startEtcd();
      const endpoints = [etcd.endpoint];
      return openEtcdStore({ endpoints, prefix: `/store-${stores}`, timeoutMs: 10_000, log });
    },
  },
];

for (const { name, run, open } of writable) {
  describe.skipIf(!run)(name, () => {
    const contract = (sentence: string, check: (store: ConfigStore) => Promise<void>) =>
      test(sentence, async () => {
        const store = await open();
        try {
          await check(store);
        } finally {
          await store.close();
        }
      });

    contract('gives back what was put, with its revisions', async (store) => {
      const value = { uri: '/ü', plugins: {}, nodes: [1, null], text: '"\\\u0000' };
      const { item, created } = await store.put('/routes/1', value);
      expect(created).toBe(true);
      expect(item).toMatchObject({ key: '/routes/1', value });
      expect(item.createdIndex).toBe(item.modifiedIndex);
      expect(await store.get('/routes/1')).toEqual(item);
      expect(store.writable).toBe(true);
    });

    contract('keeps createdIndex and moves modifiedIndex when replacing', async (store) => {
      const first = await store.put('/routes/1', { v: 1 });
      await store.put('/routes/2', {});
      const second = await store.put('/routes/1', { v: 2 });
      expect([first.previousIndex, second.previousIndex]).toEqual([0, first.item.modifiedIndex]);
      expect(second.created).toBe(false);
      expect(second.item.createdIndex).toBe(first.item.createdIndex);
      expect(second.item.modifiedIndex).toBe(first.item.modifiedIndex + 2);
      expect(await store.get('/routes/1')).toEqual(second.item);
    });

    contract('knows no item that was never put or was deleted', async (store) => {
      expect(await store.get('/routes/1')).toBeUndefined();
      await store.put('/routes/1', {});
      const { item } = await store.put('/routes/1', { v: 2 });
      expect(await store.delete('/routes/1')).toEqual({
        deleted: 1,
        revision: item.modifiedIndex + 1,
        previousIndex: item.modifiedIndex,
      });
      expect(await store.delete('/routes/1')).toMatchObject({ deleted: 0, previousIndex: 0 });
      expect(await store.get('/routes/1')).toBeUndefined();
      expect((await store.put('/routes/1', {})).created).toBe(true);
    });

    contract(
      'lists what is below a prefix by createdIndex, and nothing beside it',
      async (store) => {
        const keys = ['/routes/b', '/routes/a', '/routes/a/b', '/routes2/x', '/route', '/routes.x'];
        for (const key of keys) await store.put(key, {});
        await store.put('/routes/b', { replaced: true });
        const { items, revision } = await store.list('/routes/');
        expect(items.map(({ key }) => key)).toEqual(['/routes/b', '/routes/a', '/routes/a/b']);
        expect(revision).toBe(items[0]!.modifiedIndex);
        expect((await store.list('/')).items).toHaveLength(6);
        expect((await store.list('/none/')).items).toEqual([]);
      },
    );

    contract('puts on ifModifiedIndex only what did not change since', async (store) => {
      const { item } = await store.put('/routes/1', { v: 1 });
      const ifModifiedIndex = item.modifiedIndex;
      const replaced = await store.put('/routes/1', { v: 2 }, { ifModifiedIndex });
      expect(replaced.item.createdIndex).toBe(item.createdIndex);
      const late = store.put('/routes/1', { v: 3 }, { ifModifiedIndex });
      await expect(late).rejects.toMatchObject({ name: 'StoreError', code: 'CONFLICT' });
      expect(await store.get('/routes/1')).toEqual(replaced.item);
    });

    contract('puts on ifModifiedIndex 0 only where there is none', async (store) => {
      expect((await store.put('/routes/1', {}, { ifModifiedIndex: 0 })).created).toBe(true);
      const again = store.put('/routes/1', {}, { ifModifiedIndex: 0 });
      await expect(again).rejects.toMatchObject({ code: 'CONFLICT' });
      await store.delete('/routes/1');
      expect((await store.put('/routes/1', {}, { ifModifiedIndex: 0 })).created).toBe(true);
    });

    contract('lets exactly one of many writers with the same index win', async (store) => {
      const { item } = await store.put('/routes/1', { v: 0 });
      const attempts = Array.from({ length: 20 }, (_, v) =>
        store.put('/routes/1', { v }, { ifModifiedIndex: item.modifiedIndex }),
      );
      const outcomes = await Promise.allSettled(attempts);
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    });

    contract('pushes under an id of 20 digits: the revision before the item', async (store) => {
      const { id, item, created } = await store.push('/routes', { uri: '/a' });
      expect(id).toBe(String(item.modifiedIndex - 1).padStart(20, '0'));
      expect(item.key).toBe(`/routes/${id}`);
      expect(item.value).toEqual({ uri: '/a', id });
      expect(created).toBe(true);
      const second = await store.push('/routes', { uri: '/b' });
      expect(second.id > id).toBe(true);
      expect((await store.list('/')).items).toEqual([item, second.item]);
    });

    contract('deletes a prefix at one revision and tells how many', async (store) => {
      for (const key of ['/routes/1', '/routes/2', '/services/1']) await store.put(key, {});
      const watch = recordWatch(store);
      await watch.until(() => watch.resyncs.length === 1);
      const { revision } = await store.list('/');
      expect(await store.deletePrefix('/routes/')).toMatchObject({
        deleted: 2,
        revision: revision + 1,
      });
      expect(await store.deletePrefix('/routes/')).toMatchObject({ deleted: 0 });
      await watch.until(() => watch.changes.length === 2);
      const revisions = watch.changes.map((c) => c.kind === 'delete' && c.revision);
      expect(new Set(revisions).size).toBe(1);
      expect((await store.list('/')).items.map(({ key }) => key)).toEqual(['/services/1']);
      await watch.stop();
    });

    contract('deletes an item when its time is over, and tells watchers', async (store) => {
      const watch = recordWatch(store);
      await store.put('/routes/short', {}, { ttlSeconds: 1 });
      await store.put('/routes/kept', {}, { ttlSeconds: 1 });
      await store.put('/routes/kept', { forever: true });
      await waitFor(async () => (await store.get('/routes/short')) === undefined);
      await watch.until(() => watch.changes.some((c) => c.kind === 'delete'));
      const deleted = watch.changes.filter((c) => c.kind === 'delete').map(({ key }) => key);
      expect(deleted).toEqual(['/routes/short']);
      expect(await store.get('/routes/kept')).toMatchObject({ value: { forever: true } });
      await watch.stop();
    });

    contract('refuses a value of two mebibytes with TOO_LARGE', async (store) => {
      const put = store.put('/routes/1', { text: 'x'.repeat(2 * 1024 * 1024) });
      await expect(put).rejects.toMatchObject({ code: 'TOO_LARGE' });
      expect(await store.get('/routes/1')).toBeUndefined();
      await store.put('/routes/1', { text: 'x'.repeat(1024 * 1024) });
    });

    contract('begins a watch with everything, then tells each change in order', async (store) => {
      const before = await store.put('/routes/1', { v: 0 });
      const watch = recordWatch(store);
      await watch.until(() => watch.events.length === 1);
      const { revision } = await store.list('/');
      expect(watch.events[0]).toEqual({ kind: 'resync', revision, items: [before.item] });
      for (let v = 1; v <= 50; v += 1) await store.put('/routes/1', { v });
      await store.delete('/routes/1');
      await watch.until(() => watch.changes.length === 51);
      const seen = watch.changes.map((c) => (c.kind === 'put' ? c.item.modifiedIndex : c.revision));
      expect(seen).toEqual(Array.from({ length: 51 }, (_, i) => revision + 1 + i));
      expect(watch.changes.at(-1)).toMatchObject({ kind: 'delete', key: '/routes/1' });
      expect(watch.changes[0]).toMatchObject({
        item: { value: { v: 1 }, createdIndex: before.item.createdIndex },
      });
      await watch.stop();
    });

    contract('serves several watches at once, each whole', async (store) => {
      const watches = [recordWatch(store), recordWatch(store), recordWatch(store)];
      for (let i = 0; i < 20; i += 1) await store.put(`/routes/${i}`, { i });
      for (const watch of watches) {
        await watch.until(() => watch.items.size === 20);
        await watch.stop();
      }
    });

    contract('ends a watch when its signal aborts or the store is closed', async (store) => {
      const aborted = recordWatch(store);
      await aborted.until(() => aborted.resyncs.length === 1);
      await aborted.stop();
      const closed = recordWatch(store);
      await closed.until(() => closed.resyncs.length === 1);
      await store.close();
      await closed.stop();
      await expect(store.get('/routes/1')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    });
  });
}

describe('FileStore', () => {
  const opened = async (document: object) => {
    stores += 1;
    const file = path.join(dir, `${stores}.json`);
    await writeFile(file, JSON.stringify(document));
    return openFileStore({ file, format: 'json', env: {}, log, pollIntervalMs: 10 });
  };

  test('reads, lists and watches as the stores that write', async () => {
    const store = await opened({
      routes: [
        { id: 'b', uri: '/b' },
        { id: 'a', uri: '/a' },
      ],
      services: [{ id: 1 }],
    });
    const b = await store.get('/routes/b');
    expect(b).toMatchObject({ key: '/routes/b', value: { id: 'b', uri: '/b' } });
    expect(b?.createdIndex).toBe(b?.modifiedIndex);
    expect(await store.get('/routes/c')).toBeUndefined();
    const { items, revision } = await store.list('/routes/');
    expect(items.map(({ key }) => key)).toEqual(['/routes/b', '/routes/a']);
    expect(revision).toBe(b?.modifiedIndex);
    const watch = recordWatch(store);
    await watch.until(() => watch.events.length === 1);
    expect(watch.events[0]).toEqual({ kind: 'resync', ...(await store.list('/')) });
    await store.close();
    await watch.stop();
  });

  test('refuses each way of writing with READ_ONLY', async () => {
    const store: ConfigStore = await opened({});
    expect(store.writable).toBe(false);
    const attempts = [
      () => store.put('/routes/1', {}),
      () => store.push('/routes', {}),
      () => store.delete('/routes/1'),
      () => store.deletePrefix('/routes/'),
      () => store.transact([{ kind: 'put', key: '/routes/1', value: {} }]),
    ];
    for (const attempt of attempts) {
      await expect(attempt()).rejects.toMatchObject({ code: 'READ_ONLY' });
    }
    await store.close();
  });
});
