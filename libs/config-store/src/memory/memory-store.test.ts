import { afterEach, beforeEach, expect, test } from 'vitest';
import { readStandalone } from '../file/standalone-document.ts';
import { recordWatch, type WatchRecorder } from '../watch-recorder.ts';
import { MemoryStore } from './memory-store.ts';

let store: MemoryStore;
let watch: WatchRecorder;
beforeEach(() => {
  store = new MemoryStore({ howToWrite: 'replace it' });
  watch = recordWatch(store);
});
afterEach(async () => {
  await watch.stop();
  await store.close();
});

const items = (...routes: object[]) => readStandalone({ routes }).items;

test('MemoryStore is empty at first, and that is a configuration', async () => {
  await watch.until(() => watch.resyncs.length === 1);
  expect(watch.events).toEqual([{ kind: 'resync', revision: 1, items: [] }]);
  expect(await store.get('/routes/a')).toBeUndefined();
});

test('MemoryStore tells what a replacement changed, and nothing else', async () => {
  store.replace(items({ id: 'kept' }, { id: 'changed', v: 1 }, { id: 'gone' }));
  await watch.until(() => watch.items.size === 3);
  const kept = watch.items.get('/routes/kept');
  const before = watch.changes.length;
  expect(store.replace(items({ id: 'changed', v: 2 }, { id: 'kept' }))).toBe(true);
  await watch.until(() => watch.items.size === 2);
  expect(watch.changes.slice(before)).toMatchObject([
    { kind: 'delete', key: '/routes/gone' },
    { kind: 'put', item: { key: '/routes/changed', value: { v: 2 } } },
  ]);
  expect(watch.items.get('/routes/kept')).toBe(kept);
});

test('MemoryStore has no new revision for what is the same', async () => {
  store.replace(items({ id: 'a' }));
  const { revision } = await store.list('/');
  expect(store.replace(items({ id: 'a' }))).toBe(false);
  expect((await store.list('/')).revision).toBe(revision);
});

test('MemoryStore takes an item of the same modifiedIndex for unchanged only when told to', async () => {
  store.replace(items({ id: 'a', modifiedIndex: 1, v: 1 }));
  store.replace(items({ id: 'a', modifiedIndex: 1, v: 2 }), { trustsModifiedIndex: true });
  expect((await store.get('/routes/a'))?.value).toEqual({ id: 'a', v: 1 });
  store.replace(items({ id: 'a', modifiedIndex: 1, v: 2 }));
  expect((await store.get('/routes/a'))?.value).toEqual({ id: 'a', v: 2 });
  store.replace(items({ id: 'a', modifiedIndex: 2, v: 2 }), { trustsModifiedIndex: true });
  expect(await store.get('/routes/a')).toMatchObject({ modifiedIndex: 2 });
});

test('MemoryStore keeps what it has under a problem, until the next replacement', async () => {
  store.replace(items({ id: 'a' }));
  store.reportProblem('the file is bad');
  await watch.until(() => watch.statuses.length === 1);
  expect(watch.statuses[0]).toMatchObject({ connected: false, reason: 'the file is bad' });
  expect(await store.get('/routes/a')).toBeDefined();
  expect(store.replace(items({ id: 'a' }))).toBe(true);
  await watch.until(() => watch.statuses.length === 2);
  expect(watch.statuses[1]?.connected).toBe(true);
});

test('MemoryStore refuses each way of writing and says what to do instead', async () => {
  const attempts = [
    () => store.put(),
    () => store.push(),
    () => store.delete(),
    () => store.deletePrefix(),
    () => store.transact(),
  ];
  for (const attempt of attempts) {
    const refused = { code: 'READ_ONLY', message: expect.stringContaining('replace it') as string };
    await expect(attempt()).rejects.toMatchObject(refused);
  }
});
