import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { commandFiles, programFile } from './program-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'pg-program-'));
afterAll(() => rmSync(folder, { recursive: true }));
for (const name of ['first', 'second']) mkdirSync(join(folder, name));
const place = { cwd: folder, path: `first:${join(folder, 'second')}` };
const inSecond = join(folder, 'second', 'runner');
writeFileSync(inSecond, '');
chmodSync(inSecond, 0o755);
writeFileSync(join(folder, 'first', 'runner'), '', { mode: 0o644 });
writeFileSync(join(folder, 'script.js'), '');

test('a program is looked for on PATH, past files that may not be run', () => {
  expect(programFile('runner', place)).toBe(inSecond);
  expect(programFile('second/runner', place)).toBe(inSecond);
});

test('what is not there, may not be run or is a folder is refused with its code', () => {
  expect(() => programFile('missing', place)).toThrow(/ENOENT/);
  expect(() => programFile('runner', { cwd: folder, path: 'first' })).toThrow(/EACCES/);
  expect(() => programFile('./second', place)).toThrow(/EACCES/);
  expect(() => programFile('runner', { cwd: folder, path: undefined })).toThrow(/ENOENT/);
});

test('a command is the files of its program and of its arguments', () => {
  const files = commandFiles(['second/runner', 'script.js', '--flag', 'no\0file'], { cwd: folder });
  expect(files).toEqual([inSecond, join(folder, 'script.js')]);
  expect(commandFiles(['./gone'], { cwd: folder })).toEqual([join(folder, 'gone')]);
});
