import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ConfigStore } from '../config-store.ts';
import { openEmbeddedStore } from './embedded-store.ts';
import { recordWatch, silentLog as log } from '../watch-recorder.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'embedded-history-'));
});
afterAll(() => rm(dir, { recursive: true }));

type State = Awaited<ReturnType<ConfigStore['list']>>;

/** Writes that hit few items in many ways; the same for each seed. Answers each state. */
async function writeMuch(store: ConfigStore, writes: number): Promise<State[]> {
  const states: State[] = [await store.list('/')];
  let seed = 7;
  const below = (max: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return (seed >> 8) % max;
  };
  for (let n = 0; n < writes; n += 1) {
    const key = `/routes/${below(6)}`;
    const value = { n, text: 'x'.repeat(below(300)) };
    const what = below(10);
    if (what < 5) await store.put(key, value);
    else if (what < 7) await store.delete(key);
    else if (what === 7) await store.deletePrefix('/routes/');
    else
      await store.transact([
        { kind: 'put', key, value },
        { kind: 'put', key: '/a/1', value },
      ]);
    states.push(await store.list('/'));
  }
  return states;
}

async function expectHistory(store: ConfigStore, states: readonly State[]): Promise<number> {
  const { oldest, entries } = await store.history({ limit: 1000 });
  for (const { revision, items } of states) {
    const read = store.listAt('/', revision);
    if (revision >= oldest) expect(await read).toEqual(items);
    else await expect(read).rejects.toMatchObject({ code: 'COMPACTED' });
  }
  for (const { revision, changes } of entries) {
    expect(revision).toBeGreaterThan(oldest);
    expect(changes.length).toBeGreaterThan(0);
  }
  return oldest;
}

test('each revision that is kept reads as it was, and older ones are refused', async () => {
  const store = openEmbeddedStore({ file: ':memory:', log, historyRevisionsMax: 25 });
  const states = await writeMuch(store, 300);
  const { revision } = states.at(-1)!;
  expect(await expectHistory(store, states)).toBe(revision - 25);
  await store.close();
});

test('the history stays within its bytes, also over a new start', async () => {
  const file = path.join(dir, 'bytes.db');
  const options = { file, log, historyBytesMax: 3000 };
  const first = openEmbeddedStore(options);
  const states = await writeMuch(first, 200);
  await first.close();
  const second = openEmbeddedStore(options);
  expect(await expectHistory(second, states)).toBeGreaterThan(1);
  const more = await writeMuch(second, 200);
  await expectHistory(second, more);
  await second.close();

  const database = new DatabaseSync(file);
  const row = database.prepare('SELECT sum(length(CAST(text AS BLOB))) AS n FROM changes').get();
  expect(row?.['n']).toBeLessThanOrEqual(3000);
  expect(row?.['n']).toBeGreaterThan(1000);
  database.close();
});

test('a transaction larger than the history is done, and watchers get everything anew', async () => {
  const store = openEmbeddedStore({ file: ':memory:', log, historyBytesMax: 1000 });
  const watch = recordWatch(store);
  await watch.until(() => watch.resyncs.length === 1);
  const text = 'x'.repeat(500);
  const { revision } = await store.transact(
    ['1', '2', '3'].map((id) => ({ kind: 'put', key: `/routes/${id}`, value: { text } })),
  );
  await watch.until(() => watch.items.size === 3);
  expect(watch.resyncs).toHaveLength(2);
  expect((await store.history({ limit: 10 })).oldest).toBe(revision);
  expect(await store.listAt('/', revision)).toHaveLength(3);
  await watch.stop();
  await store.close();
});

test('a store of the first version is taken over, its history begins anew', async () => {
  const file = path.join(dir, 'version-1.db');
  const old = openEmbeddedStore({ file, log });
  await old.put('/routes/1', { v: 1 });
  const { item } = await old.put('/routes/1', { v: 2 });
  await old.close();
  const database = new DatabaseSync(file);
  database.exec('DROP INDEX changes_key; PRAGMA user_version = 1;');
  database.close();

  const store = openEmbeddedStore({ file, log });
  expect(await store.get('/routes/1')).toEqual(item);
  const { oldest, entries } = await store.history({ limit: 10 });
  expect([oldest, entries]).toEqual([item.modifiedIndex, []]);
  await store.delete('/routes/1');
  expect(await store.listAt('/', oldest)).toEqual([item]);
  await store.close();
});
