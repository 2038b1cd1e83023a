import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { DebugSettings } from '@polygate/chassis';
import { watchDebugFile } from './debug-file.ts';
import type { DebugFile } from './debug-file.ts';

let folder: string;
let file: string;
let watch: DebugFile | undefined;
let changes: DebugSettings[];
let lines: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-debug-'));
  file = join(folder, 'debug.yaml');
  changes = [];
  lines = [];
});
afterEach(async () => {
  watch?.close();
  await rm(folder, { recursive: true });
});

const start = async (): Promise<void> => {
  const note = (line: string): void => void lines.push(line);
  watch = await watchDebugFile({
    file,
    log: { warn: note, error: note },
    onChange: (settings) => changes.push(settings),
    intervalMs: 5,
  });
};
/** As a whole, so that no look meets half of it. */
const write = async (text: string): Promise<void> => {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
};

test('a file that is there is read before the first look resolves', async () => {
  await write('basic: {enable: true}\n#END\n');
  await start();
  expect(changes).toEqual([{ basic: true, hooks: false }]);
});

test('a change is seen, and an unchanged file is not read again', async () => {
  await start();
  expect([changes, lines]).toEqual([[], []]);
  await write('basic: {enable: true}\n#END\n');
  await vi.waitFor(() => expect(changes).toHaveLength(1));
  await write('basic: {enable: false}\nhook_conf: {enable: true}\n#END\n');
  await vi.waitFor(() => expect(changes).toHaveLength(2));
  expect(changes).toEqual([
    { basic: true, hooks: false },
    { basic: false, hooks: true },
  ]);
});

test('a file that goes switches everything off', async () => {
  await write('basic: {enable: true}\n#END\n');
  await start();
  await rm(file);
  await vi.waitFor(() => expect(changes).toHaveLength(2));
  expect(changes[1]).toEqual({ basic: false, hooks: false });
});

test('what cannot be read is said once and changes nothing', async () => {
  await write('basic: {enable: maybe}\n#END\n');
  await start();
  await write('basic: {enable: true}\n');
  await vi.waitFor(() => expect(lines).toHaveLength(2));
  await write('basic: {enable: true}\n#END\n');
  await vi.waitFor(() => expect(changes).toHaveLength(1));
  expect(lines[0]).toMatch(/failed to read .*basic\.enable: expected/);
  expect(lines[1]).toMatch(/missing valid end flag in file/);
  expect(lines).toHaveLength(2);
});
