import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { memoryLog } from '@polygate/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LogRotation, type RotationSettings } from './log-rotation.ts';

let folder: string;
beforeEach(async () => (folder = await mkdtemp(path.join(tmpdir(), 'rotation-'))));
afterEach(() => rm(folder, { recursive: true }));

const HOURLY: RotationSettings = {
  ...{ interval: 3600, max_kept: 2, max_size: -1, enable_compression: false, timeout: 10_000 },
};

async function start(access: Partial<{ isOn: boolean }> = {}) {
  const at = (name: string): string => path.join(folder, name);
  await writeFile(at('access.log'), 'access\n');
  await writeFile(at('error.log'), 'error\n');
  const log = memoryLog();
  const reopen = vi.fn(() => undefined);
  const rotation = new LogRotation({
    access: { file: at('access.log'), isOn: true, ...access },
    error: { file: at('error.log'), isOn: true },
    reopen,
    log,
  });
  return { rotation, reopen, log, at };
}

test('files are moved on the hour, under the time in their names, and opened anew', async () => {
  const { rotation, reopen, at } = await start();
  const nine = 9 * 3600;
  await rotation.look(HOURLY, nine + 1800);
  await rotation.look(HOURLY, nine + 3599);
  expect(reopen).not.toHaveBeenCalled();
  await rotation.look(HOURLY, nine + 3600);
  expect(reopen).toHaveBeenCalledOnce();
  const files = (await readdir(folder)).sort();
  expect(files).toEqual([
    expect.stringMatching(/^\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d__access\.log$/),
    expect.stringMatching(/__error\.log$/),
  ]);
  expect(await readFile(at(files[0] ?? ''), 'utf8')).toBe('access\n');
});

test('of each log the newest are kept', async () => {
  const { rotation, at } = await start();
  for (let hour = 1; hour <= 5; hour++) {
    await writeFile(at('access.log'), `${hour}\n`);
    await writeFile(at('error.log'), `${hour}\n`);
    await rotation.look(HOURLY, hour * 3600);
  }
  const rotated = (await readdir(folder)).filter((name) => name.endsWith('__access.log')).sort();
  const texts = await Promise.all(rotated.map((name) => readFile(at(name), 'utf8')));
  expect(texts).toEqual(['4\n', '5\n']);
});

test('a file that is too large is moved before its time, alone', async () => {
  const { rotation, at } = await start();
  const settings = { ...HOURLY, max_size: 100 };
  await rotation.look(settings, 10);
  await rotation.look(settings, 11);
  await writeFile(at('error.log'), 'x'.repeat(100));
  await rotation.look(settings, 12);
  const files = await readdir(folder);
  expect(files).toContain('access.log');
  expect(files.filter((name) => name.endsWith('__error.log'))).toHaveLength(1);
});

test('what is moved is packed where that is asked for', async () => {
  const { rotation } = await start();
  const settings = { ...HOURLY, enable_compression: true };
  await rotation.look(settings, 10);
  await rotation.look(settings, 3600);
  const files = (await readdir(folder)).sort();
  expect(files).toEqual([
    expect.stringMatching(/__access\.log\.tar\.gz$/),
    expect.stringMatching(/__error\.log\.tar\.gz$/),
  ]);
});

test('a log that is off is left alone, and one that is gone is named', async () => {
  const { rotation, log, reopen, at } = await start({ isOn: false });
  await rm(at('error.log'));
  await rotation.look(HOURLY, 10);
  await rotation.look(HOURLY, 3600);
  expect(await readdir(folder)).toEqual(['access.log']);
  expect(log.lines.join()).toContain(`failed to move file from ${at('error.log')}`);
  expect(reopen).not.toHaveBeenCalled();
});
