import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeKeyRing, resolveAdminKeys } from './admin-key.ts';

let folder: string;
let file: string;
const lines: string[] = [];
const write = (message: string) => void lines.push(message);
const log = { debug: write, info: write, warn: write, error: write };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'admin-key-'));
  file = join(folder, 'data', 'admin.key');
  lines.length = 0;
});
afterEach(() => rm(folder, { recursive: true }));

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

test('a key is made at the first start, kept for its owner only, and shown once', async () => {
  const [first] = await resolveAdminKeys({ configured: [], file, log });
  expect(first).toMatchObject({ name: 'admin', role: 'admin' });
  expect(first?.key).toMatch(/^[0-9a-f]{64}$/);
  expect((await readFile(file, 'utf8')).trim()).toBe(first?.key);
  expect(await modeOf(file)).toBe(0o600);
  expect(await modeOf(join(folder, 'data'))).toBe(0o700);
  expect(lines.filter((line) => line.includes(String(first?.key)))).toHaveLength(1);

  lines.length = 0;
  expect(await resolveAdminKeys({ configured: [], file, log })).toEqual([first]);
  expect(lines).toEqual([]);
});

test('two gateways never make the same key', async () => {
  const other = join(folder, 'other', 'admin.key');
  const [a] = await resolveAdminKeys({ configured: [], file, log });
  const [b] = await resolveAdminKeys({ configured: [], file: other, log });
  expect(a?.key).not.toBe(b?.key);
});

test('a key file that others can read is closed to them, with a warning', async () => {
  const [first] = await resolveAdminKeys({ configured: [], file, log });
  await chmod(file, 0o644);
  lines.length = 0;
  expect(await resolveAdminKeys({ configured: [], file, log })).toEqual([first]);
  expect(await modeOf(file)).toBe(0o600);
  expect(lines.join()).toContain('0600');
  expect(lines.join()).not.toContain(first?.key);
});

test('an empty key file stops the start instead of opening the door', async () => {
  await resolveAdminKeys({ configured: [], file, log });
  await writeFile(file, '\n');
  await expect(resolveAdminKeys({ configured: [], file, log })).rejects.toThrow('holds no key');
});

test('configured keys are used as they are, and no file is written', async () => {
  const configured = [{ name: 'ops', key: 'k', role: 'viewer' }] as const;
  expect(await resolveAdminKeys({ configured, file, log })).toBe(configured);
  await expect(stat(file)).rejects.toThrow('ENOENT');
});

test('a key ring finds a key by its whole text only', () => {
  const key = { name: 'a', key: 'secret', role: 'admin' } as const;
  const ring = makeKeyRing([{ name: 'b', key: 'other', role: 'viewer' }, key]);
  expect(ring.find('secret')).toBe(key);
  for (const token of ['', 'secre', 'secrets', 'SECRET']) expect(ring.find(token)).toBeUndefined();
  expect(makeKeyRing([]).find('')).toBeUndefined();
});
