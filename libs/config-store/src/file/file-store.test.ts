import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FileStore, openFileStore } from './file-store.ts';
import { recordWatch, type WatchRecorder } from '../watch-recorder.ts';

let dir: string;
let file: string;
let logged: string[];
let store: FileStore;
let watch: WatchRecorder;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'file-store-'));
  file = path.join(dir, 'apisix.yaml');
  logged = [];
});
afterEach(async () => {
  await watch.stop();
  await store.close();
  await rm(dir, { recursive: true });
});

/** Puts the file in place in one step, as editors and config maps do. */
async function replace(text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

const routes = (...items: object[]) => `routes: ${JSON.stringify(items)}\n#END\n`;

function open(env: Record<string, string> = {}): void {
  const log = { info() {}, warn() {}, error: (message: string) => void logged.push(message) };
  store = openFileStore({ file, format: 'yaml', env, log, pollIntervalMs: 10 });
  watch = recordWatch(store);
}

test('FileStore tells what changed when the file does, and nothing else', async () => {
  await replace(routes({ id: 'kept' }, { id: 'changed', v: 1 }, { id: 'deleted' }));
  open();
  await watch.until(() => watch.resyncs.length === 1);
  const before = new Map(watch.items);
  await replace(routes({ id: 'new' }, { id: 'changed', v: 2 }, { id: 'kept' }));
  await watch.until(() => watch.changes.length === 3);
  const { revision, items } = await store.list('/');
  expect(watch.changes).toEqual([
    { kind: 'delete', key: '/routes/deleted', revision },
    { kind: 'put', item: items.find(({ key }) => key === '/routes/new') },
    { kind: 'put', item: items.find(({ key }) => key === '/routes/changed') },
  ]);
  expect(watch.items.get('/routes/kept')).toBe(before.get('/routes/kept'));
  const changed = watch.items.get('/routes/changed');
  expect(changed?.createdIndex).toBe(before.get('/routes/changed')?.createdIndex);
  expect(changed?.modifiedIndex).toBe(revision);
  expect(revision).toBeGreaterThan(before.get('/routes/changed')!.modifiedIndex);
});

test('FileStore keeps the modifiedIndex that an item states', async () => {
  await replace(routes({ id: 'a', modifiedIndex: 7 }, { id: 'b', modifiedIndex: 'no' }));
  open();
  const { revision } = await store.list('/');
  expect(await store.get('/routes/a')).toMatchObject({ modifiedIndex: 7 });
  expect(await store.get('/routes/b')).toMatchObject({ modifiedIndex: revision });
  await watch.until(() => watch.resyncs.length === 1);
  await replace(routes({ id: 'a', modifiedIndex: 8 }, { id: 'b', modifiedIndex: 'no' }));
  await watch.until(() => watch.changes.length === 1);
  expect(watch.items.get('/routes/a')?.modifiedIndex).toBe(8);
});

test('FileStore keeps what it has while the file is bad, and says why once', async () => {
  await replace(routes({ id: 'a' }));
  open();
  await watch.until(() => watch.resyncs.length === 1);
  await replace('routes: []\n');
  await watch.until(() => watch.statuses.length === 1);
  expect(watch.statuses[0]).toMatchObject({
    connected: false,
    reason: expect.stringContaining('missing valid end flag'),
  });
  expect(await store.get('/routes/a')).toBeDefined();
  // So many looks at the same bad file.
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(logged).toHaveLength(1);
  await replace('routes: [\n#END\n');
  await watch.until(() => watch.statuses.length === 2);
  expect(logged).toHaveLength(2);
  await replace(routes({ id: 'b' }));
  await watch.until(() => watch.items.has('/routes/b'));
  expect(watch.items.has('/routes/a')).toBe(false);
  expect(watch.statuses.at(-1)).toEqual({ kind: 'status', connected: true });
});

test('FileStore waits for a file that is not there yet or lacks its variables', async () => {
  open();
  await watch.until(() => watch.statuses.length === 1);
  await expect(store.get('/routes/a')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await expect(store.list('/')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await replace(routes({ id: '${{ID}}' }));
  await watch.until(() => watch.statuses.length === 2);
  expect(watch.statuses[1]?.reason).toContain("can't find environment variable ID");
  expect(watch.resyncs).toHaveLength(0);
  await replace(routes({ id: 'a' }));
  await watch.until(() => watch.resyncs.length === 1);
  expect(watch.statuses.at(-1)?.connected).toBe(true);
  expect(logged).toHaveLength(2);
});

test('FileStore keeps what it has when the file is taken away and put back', async () => {
  await replace(routes({ id: 'a' }));
  open();
  await watch.until(() => watch.resyncs.length === 1);
  await rename(file, `${file}.away`);
  await watch.until(() => watch.statuses.length === 1);
  expect(await store.get('/routes/a')).toBeDefined();
  await rename(`${file}.away`, file);
  await watch.until(() => watch.statuses.length === 2);
  expect(watch.changes).toEqual([]);
  expect(watch.resyncs).toHaveLength(1);
});

test('FileStore says nothing when the file is written anew with the same content', async () => {
  await replace(routes({ id: 'a' }));
  open();
  await watch.until(() => watch.resyncs.length === 1);
  const { revision } = await store.list('/');
  await replace(routes({ id: 'a' }));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await replace(routes({ id: 'a' }, { id: 'b' }));
  await watch.until(() => watch.changes.length > 0);
  expect(watch.changes.map((c) => c.kind === 'put' && c.item.key)).toEqual(['/routes/b']);
  expect((await store.list('/')).revision).toBeGreaterThan(revision);
});

test('FileStore logs the items it leaves out', async () => {
  await replace('routes:\n  - text\n  - id: a\n#END\n');
  open();
  await watch.until(() => watch.items.size === 1);
  expect(logged).toEqual([`${file}: invalid item data of [routes/1], it should be an object`]);
});
