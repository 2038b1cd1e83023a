import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { prepareRunDir } from './prepare-run-dir.ts';

const folder = mkdtempSync(join(tmpdir(), 'chassis-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('the folder is made for this user only, and used again', () => {
  const path = join(folder, 'a', 'run');
  prepareRunDir(path);
  prepareRunDir(path);
  expect(statSync(path).mode & 0o777).toBe(0o700);
});

test('a folder that others may write is refused', () => {
  const path = join(folder, 'open');
  mkdirSync(path);
  chmodSync(path, 0o777);
  expect(() => prepareRunDir(path)).toThrow('can be written by other users');
});

test('a link or a file in its place is refused', () => {
  const link = join(folder, 'link');
  symlinkSync(folder, link);
  expect(() => prepareRunDir(link)).toThrow('is not a folder');
  const file = join(folder, 'file');
  writeFileSync(file, '');
  expect(() => prepareRunDir(file)).toThrow();
});

// Only root can give a folder away.
test.runIf(process.getuid?.() === 0)('the folder of another user is refused', () => {
  const path = join(folder, 'theirs');
  mkdirSync(path, { mode: 0o700 });
  chownSync(path, 12_345, 12_345);
  expect(() => prepareRunDir(path)).toThrow('belongs to another user');
});
