import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EmbeddedStoreOptions, openEmbeddedStore } from './embedded-store.ts';
import { recordWatch, silentLog as log, waitFor } from '../watch-recorder.ts';

let dir: string;
let files = 0;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'embedded-store-'));
});
afterAll(() => rm(dir, { recursive: true }));

function newFile(): string {
  files += 1;
  return path.join(dir, `${files}`, 'config.db');
}

const open = (file: string, options: Partial<EmbeddedStoreOptions> = {}) =>
  openEmbeddedStore({ file, log, ...options });

/** Starts the fixture; `lines` are the acknowledged writes so far. */
function startWriter(file: string) {
  const fixture = path.join(import.meta.dirname, 'embedded-writer.fixture.ts');
  const child = spawn(process.execPath, [fixture, file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  let complaint = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  return {
    child,
    // What follows the last line break was cut off by the kill.
    lines: () => printed.split('\n').slice(0, -1),
    complaint: () => complaint,
  };
}

test('EmbeddedStore keeps items, revisions and TTLs over a new start', async () => {
  const file = newFile();
  const first = open(file);
  const { item } = await first.put('/routes/1', { v: 1 });
  await first.put('/routes/2', {});
  await first.delete('/routes/2');
  await first.put('/routes/short', {}, { ttlSeconds: 1 });
  const { revision } = await first.list('/');
  await first.close();

  const second = open(file);
  expect(await second.get('/routes/1')).toEqual(item);
  expect((await second.list('/')).revision).toBeGreaterThanOrEqual(revision);
  await waitFor(async () => (await second.get('/routes/short')) === undefined);
  const next = await second.put('/routes/3', {});
  // The expiry took a revision of its own.
  expect(next.item.modifiedIndex).toBe(revision + 2);
  await second.close();
});

test('EmbeddedStore deletes at its start what expired while nobody ran', async () => {
  const file = newFile();
  const first = open(file);
  await first.put('/routes/short', {}, { ttlSeconds: 0.02 });
  const dueMs = Date.now() + 30;
  await first.close();
  await waitFor(() => Date.now() > dueMs);
  const second = open(file);
  const watch = recordWatch(second);
  await watch.until(() => watch.resyncs.length === 1 && watch.items.size === 0);
  await watch.stop();
  await second.close();
});

test('EmbeddedStore loses no acknowledged write when it is killed', async () => {
  const file = newFile();
  for (const writesMin of [5, 60, 250]) {
    const writer = startWriter(file);
    await waitFor(() => writer.lines().length >= writesMin, writer.complaint);
    writer.child.kill('SIGKILL');
    await once(writer.child, 'close');
    const acknowledged = writer.lines().map((line) => line.split(' ').map(Number));

    const store = open(file);
    const { items, revision } = await store.list('/');
    const found = new Map(items.map((item) => [item.key, item]));
    for (const [n = 0, modifiedIndex = 0] of acknowledged.slice(-7)) {
      const item = found.get(`/routes/${n % 7}`);
      // A write after the last acknowledged one may have replaced it; an older one must not remain.
      expect((item?.value as { n: number }).n).toBeGreaterThanOrEqual(n);
      expect(item?.modifiedIndex).toBeGreaterThanOrEqual(modifiedIndex);
    }
    for (const [n = 0] of acknowledged.filter(([n = 0]) => n % 3 === 0)) {
      expect(found.get(`/services/${n}`)?.value).toEqual({ n });
    }
    expect(revision).toBeGreaterThanOrEqual(acknowledged.at(-1)?.[1] ?? Infinity);
    await store.close();
  }
});

test('EmbeddedStore refuses a file while another process has it open', async () => {
  const file = newFile();
  const writer = startWriter(file);
  await waitFor(() => writer.lines().length > 0, writer.complaint);
  expect(() => open(file)).toThrow(
    expect.objectContaining({ code: 'LOCKED', message: expect.stringContaining(file) }),
  );
  writer.child.kill('SIGKILL');
  await once(writer.child, 'close');
  await open(file).close();
});

test('EmbeddedStore refuses a second opening in the same process', async () => {
  const file = newFile();
  const store = open(file);
  expect(() => open(file)).toThrow(expect.objectContaining({ code: 'LOCKED' }));
  await store.put('/routes/1', {});
  await store.close();
});

test('EmbeddedStore keeps its files from everybody else', async () => {
  const file = newFile();
  const store = open(file);
  await store.put('/consumers/jack', { plugins: {} });
  for (const name of [file, `${file}-wal`]) {
    expect((await stat(name)).mode & 0o777).toBe(0o600);
  }
  expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700);
  await store.close();
});

test('EmbeddedStore leaves alone a file that is none of its own', async () => {
  const text = path.join(dir, 'notes.txt');
  await writeFile(text, 'these are notes, not a database. '.repeat(50));
  expect(() => open(text)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
  const other = path.join(dir, 'other.db');
  const database = new DatabaseSync(other);
  database.exec('CREATE TABLE items (name TEXT)');
  database.close();
  expect(() => open(other)).toThrow('is a database of something else');
});

test('EmbeddedStore gives a watcher that lags behind its history a resync', async () => {
  const store = open(':memory:', { historyRevisionsMax: 10 });
  const watch = store.watch(new AbortController().signal)[Symbol.asyncIterator]();
  expect((await watch.next()).value).toMatchObject({ kind: 'resync', items: [] });
  for (let n = 0; n < 11; n += 1) await store.put(`/routes/${n}`, { n });
  const { items, revision } = await store.list('/');
  expect((await watch.next()).value).toEqual({ kind: 'resync', revision, items });
  for (let n = 0; n < 10; n += 1) await store.put(`/routes/${n}`, { n });
  const { value } = await watch.next();
  expect(value).toMatchObject({ kind: 'changes', revision: revision + 10 });
  await store.close();
});

test('EmbeddedStore bounds its history by bytes as well', async () => {
  const file = newFile();
  const store = open(file, { historyBytesMax: 10_000 });
  for (let n = 0; n < 100; n += 1) await store.put('/routes/1', { text: 'x'.repeat(1000) });
  await store.close();
  const database = new DatabaseSync(file);
  const kept = database.prepare('SELECT count(*) AS n, sum(length(text)) AS bytes FROM changes');
  const { n, bytes } = kept.get() as { n: number; bytes: number };
  expect(n).toBeGreaterThan(5);
  expect(bytes).toBeLessThanOrEqual(10_000);
  database.close();
});

test('EmbeddedStore leaves nothing of a write that failed', async () => {
  const store = open(':memory:');
  const watch = recordWatch(store);
  await watch.until(() => watch.resyncs.length === 1);
  const { revision } = await store.list('/');
  await expect(store.put('/routes/1', {}, { ifModifiedIndex: 9 })).rejects.toThrow();
  await expect(store.push('/routes', {}, { ifModifiedIndex: 9 })).rejects.toThrow();
  await expect(store.put('/routes/1', 'x'.repeat(1.5 * 1024 * 1024))).rejects.toThrow();
  expect(await store.list('/')).toEqual({ revision, items: [] });
  const { item } = await store.put('/routes/1', {});
  expect(item.modifiedIndex).toBe(revision + 1);
  await watch.until(() => watch.changes.length === 1);
  await watch.stop();
  await store.close();
});

test('EmbeddedStore splits a long backlog, never within a revision', async () => {
  const store = open(':memory:');
  for (let n = 0; n < 1500; n += 1) await store.put(`/routes/${n}`, {});
  const watch = store.watch(new AbortController().signal)[Symbol.asyncIterator]();
  await watch.next();
  await store.put('/services/1', {});
  await store.deletePrefix('/routes/');
  await store.put('/services/2', {});
  const sizes: number[] = [];
  for (let seen = 0; seen < 1502;) {
    const { value } = await watch.next();
    if (value?.kind !== 'changes') throw new Error('expected changes');
    seen += value.changes.length;
    sizes.push(value.changes.length);
  }
  expect(sizes).toEqual([1501, 1]);
  await store.close();
});
