import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { memoryLog } from '@polygate/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { MainThreadPlugins, type MainThreadPluginsOptions } from './main-thread-plugins.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(names: readonly string[]) {
  const folder = await mkdtemp(path.join(tmpdir(), 'main-thread-'));
  const file = path.join(folder, 'access.log');
  await writeFile(file, 'a line\n');
  const reopenLogs = vi.fn(() => undefined);
  const plugins = new MainThreadPlugins({
    config: {
      ...{ configProvider: 'yaml', role: 'traditional', errorLogFile: '/dev/stderr' },
      accessLog: { enabled: true, file },
    } as unknown as MainThreadPluginsOptions['config'],
    store: { put: () => Promise.reject(new Error('no store')) },
    ...{ id: 'a', version: '1', log: memoryLog(), reopenLogs },
    selection: () => ({ generation: 1, names, attr: { 'log-rotate': { interval: 1 } } }),
  });
  plugins.start();
  cleanups.push(
    () => rm(folder, { recursive: true }),
    () => plugins.stop(),
  );
  return { folder, reopenLogs };
}

test('log files are rotated while the plugin log-rotate is on, and not without it', async () => {
  const on = await start(['log-rotate']);
  const off = await start([]);
  await vi.waitFor(() => expect(on.reopenLogs).toHaveBeenCalled(), { timeout: 20_000 });
  expect(await readdir(on.folder)).toEqual([expect.stringMatching(/__access\.log$/)]);
  expect(await readdir(off.folder)).toEqual(['access.log']);
  expect(off.reopenLogs).not.toHaveBeenCalled();
});
