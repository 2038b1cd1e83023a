import { type EtcdServer, hasEtcd, startEtcd } from '@polygate/testing';
import { afterAll, describe, expect, test } from 'vitest';
import type { ConfigStore, Operation } from './config-store.ts';
import { openEmbeddedStore } from './embedded/embedded-store.ts';
import { openEtcdStore } from './etcd/etcd-store.ts';
import { recordWatch, silentLog as log } from './watch-recorder.ts';

let etcd: EtcdServer | undefined;
let stores = 0;

afterAll(async () => {
  await etcd?.close();
});

const writable: readonly { name: string; run: boolean; open: () => Promise<ConfigStore> }[] = [
  {
    name: 'EmbeddedStore',
    run: true,
    open: () => Promise.resolve(openEmbeddedStore({ file: ':memory:', log })),
  },
  {
    name: 'EtcdStore',
    run: hasEtcd(),
    open: async () => {
      stores += 1;
      etcd ??= await startEtcd();
      const endpoints = [etcd.endpoint];
      return openEtcdStore({ endpoints, prefix: `/store-${stores}`, timeoutMs: 20_000, log });
    },
  },
];

const put = (key: string, value: unknown = {}): Operation => ({ kind: 'put', key, value });
const remove = (key: string): Operation => ({ kind: 'delete', key });
const CONFLICT = { name: 'StoreError', code: 'CONFLICT' };

for (const { name, run, open } of writable) {
  describe.skipIf(!run)(`${name}, transactions and history`, () => {
    const contract = (sentence: string, check: (store: ConfigStore) => Promise<void>) =>
      test(sentence, async () => {
        const store = await open();
        try {
          await check(store);
        } finally {
          await store.close();
        }
      });

    contract('does all operations in one revision, which watchers get as one', async (store) => {
      const old = await store.put('/routes/old', {});
      await store.put('/consumers/jack/credentials/1', {});
      const kept = await store.put('/routes/kept', { v: 1 });
      const watch = recordWatch(store);
      await watch.until(() => watch.resyncs.length === 1);
      const { revision } = await store.transact([
        put('/services/1', { v: 1 }),
        put('/routes/kept', { v: 2 }),
        remove('/routes/old'),
        { kind: 'deleteBelow', prefix: '/consumers/jack/credentials/' },
      ]);
      expect(revision).toBe(kept.item.modifiedIndex + 1);
      await watch.until(() => watch.changes.length === 4);
      expect(watch.events.filter(({ kind }) => kind === 'changes')).toHaveLength(1);
      await watch.stop();
      const { items } = await store.list('/');
      expect(items).toEqual([
        {
          key: '/routes/kept',
          value: { v: 2 },
          createdIndex: kept.item.createdIndex,
          modifiedIndex: revision,
        },
        {
          key: '/services/1',
          value: { v: 1 },
          createdIndex: revision,
          modifiedIndex: revision,
        },
      ]);
      expect(old.item.key).toBe('/routes/old');
    });

    contract('takes no revision for a transaction that changes nothing', async (store) => {
      await store.put('/routes/1', {});
      const { revision } = await store.list('/');
      expect(await store.transact([remove('/routes/none')])).toEqual({ revision });
      expect((await store.list('/')).revision).toBe(revision);
    });

    contract('does nothing at all when one item is not as it should be', async (store) => {
      const { item } = await store.put('/routes/1', { v: 1 });
      await store.put('/routes/1', { v: 2 });
      const before = await store.list('/');
      const operations = [put('/routes/1', { v: 3 }), put('/routes/2'), remove('/routes/1x')];
      for (const items of [
        new Map([['/routes/1', item.modifiedIndex]]),
        new Map([['/routes/1', 0]]),
        new Map([['/routes/none', 3]]),
      ]) {
        await expect(store.transact(operations, { items })).rejects.toMatchObject(CONFLICT);
      }
      expect(await store.list('/')).toEqual(before);
      const now = new Map([
        ['/routes/1', before.items[0]!.modifiedIndex],
        ['/routes/none', 0],
      ]);
      await store.transact(operations, { items: now });
      expect((await store.list('/')).items).toHaveLength(2);
    });

    contract('does nothing when something was written where nothing should be', async (store) => {
      await store.put('/routes/1', {});
      const { revision: since } = await store.list('/');
      await store.put('/services/1', {});
      const operations = [put('/upstreams/1')];
      const unwritten = (...prefixes: string[]) => ({ unwritten: { prefixes, since } });
      const conflict = store.transact(operations, unwritten('/routes/', '/services/'));
      await expect(conflict).rejects.toMatchObject(CONFLICT);
      expect(await store.get('/upstreams/1')).toBeUndefined();
      await store.transact(operations, unwritten('/routes/', '/consumers/'));
      expect(await store.get('/upstreams/1')).toBeDefined();
    });

    contract('takes ten thousand operations at once', async (store) => {
      const many = Array.from({ length: 10_000 }, (_, n) => put(`/routes/${n}`, { n }));
      const { item } = await store.put('/services/1', {});
      const watch = recordWatch(store);
      await watch.until(() => watch.resyncs.length === 1);
      const items = new Map([['/services/1', item.modifiedIndex]]);
      const { revision } = await store.transact(many, { items });
      await watch.until(() => watch.items.size === 10_001);
      // whole: nobody may see half of it
      expect(watch.events.filter(({ kind }) => kind === 'changes')).toHaveLength(1);
      await watch.stop();
      const written = (await store.list('/routes/')).items;
      expect(written).toHaveLength(10_000);
      expect(written.every(({ modifiedIndex }) => modifiedIndex === revision)).toBe(true);
      const late = store.transact(
        many.map((_, n) => remove(`/routes/${n}`)),
        { items: new Map([['/services/1', 0]]) },
      );
      await expect(late).rejects.toMatchObject(CONFLICT);
      expect((await store.list('/routes/')).items).toHaveLength(10_000);
    });

    contract('refuses a value that is too large, and does nothing', async (store) => {
      const text = 'x'.repeat(2 * 1024 * 1024);
      const large = store.transact([put('/routes/1'), put('/routes/2', { text })]);
      await expect(large).rejects.toMatchObject({ code: 'TOO_LARGE' });
      expect((await store.list('/')).items).toEqual([]);
    });

    contract('can be read as it was at each revision', async (store) => {
      const first = await store.put('/routes/1', { v: 1 });
      const states = [];
      for (let v = 2; v < 6; v += 1) {
        if (v === 3) await store.delete('/routes/1');
        else await store.put('/routes/1', { v });
        await store.transact([put('/services/a', { v }), put(`/services/${v}`)]);
        states.push(await store.list('/'));
      }
      await store.deletePrefix('/');
      const { revision: now } = await store.list('/');
      for (const { revision, items } of states) {
        expect(await store.listAt('/', revision)).toEqual(items);
      }
      expect(await store.listAt('/routes/', first.item.modifiedIndex)).toEqual([first.item]);
      expect(await store.listAt('/', now)).toEqual([]);
      await expect(store.listAt('/', now + 1)).rejects.toMatchObject({ code: 'FUTURE' });
    });

    contract('tells which revisions changed what, newest first, in pages', async (store) => {
      const revisions: number[] = [];
      for (let v = 0; v < 5; v += 1) {
        revisions.push((await store.put('/routes/1', { v })).item.modifiedIndex);
      }
      revisions.push((await store.delete('/routes/1')).revision);
      const many = Array.from({ length: 150 }, (_, n) => put(`/services/${n}`));
      revisions.push((await store.transact(many)).revision);
      revisions.push((await store.deletePrefix('/services/')).revision);

      const all = await store.history({ limit: 100 });
      expect(all.entries.map(({ revision }) => revision)).toEqual(revisions.toReversed());
      expect(all.nextBefore).toBeUndefined();
      expect(all.entries[1]).toMatchObject({ total: 150 });
      expect(all.entries[1]!.changes).toHaveLength(100);
      expect(all.entries[0]!.changes[0]!.kind).toBe('delete');
      expect(all.entries.at(-1)).toMatchObject({
        total: 1,
        changes: [{ key: '/routes/1', kind: 'put' }],
      });

      const page = await store.history({ limit: 3 });
      expect(page.entries).toEqual(all.entries.slice(0, 3));
      const { nextBefore } = page;
      const next = await store.history({ limit: 3, ...(nextBefore && { before: nextBefore }) });
      expect(next.entries).toEqual(all.entries.slice(3, 6));
      const ofOne = await store.history({ key: '/routes/1', limit: 100 });
      expect(ofOne.entries).toEqual(all.entries.slice(2));
    });

    contract('has no history where nothing happened', async (store) => {
      expect((await store.history({ limit: 10 })).entries).toEqual([]);
      expect((await store.history({ key: '/routes/1', limit: 10 })).entries).toEqual([]);
    });
  });
}

describe.skipIf(!hasEtcd())('EtcdStore after a compaction', () => {
  test('tells where its history begins, and refuses to be read before', async () => {
    etcd ??= await startEtcd();
    const endpoints = [etcd.endpoint];
    const store = openEtcdStore({ endpoints, prefix: '/compacted', timeoutMs: 10_000, log });
    const first = await store.put('/routes/1', { v: 1 });
    const { item } = await store.put('/routes/1', { v: 2 });
    await etcd.compact(item.modifiedIndex);
    const last = await store.put('/routes/2', {});
    const { entries, oldest } = await store.history({ limit: 10 });
    expect(oldest).toBe(item.modifiedIndex);
    expect(entries.map(({ revision }) => revision)).toEqual([last.item.modifiedIndex]);
    await expect(store.listAt('/', first.item.modifiedIndex)).rejects.toMatchObject({
      code: 'COMPACTED',
    });
    expect(await store.listAt('/', oldest)).toEqual([item]);
    await store.close();
  });
});
