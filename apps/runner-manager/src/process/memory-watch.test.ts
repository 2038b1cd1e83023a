import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { canWatchMemory, residentBytes, watchMemory } from './memory-watch.ts';

const MEGABYTE = 1e6;

test.runIf(canWatchMemory)('memory counts what a process started, too', async () => {
  const program = `const bytes = Buffer.alloc(64e6, 1); console.log(bytes.length);
    setInterval(() => bytes.fill(1), 1000);`;
  const shell = spawn('/bin/sh', ['-c', '"$0" -e "$1"; true', process.execPath, program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  await once(shell.stdout, 'data');
  const { pid = 0 } = shell;
  expect(residentBytes(pid)).toBeGreaterThan(64 * MEGABYTE);
  const usedBytes = await new Promise<number>((resolve) => {
    const { signal } = new AbortController();
    const options = { pid, intervalMs: 10, signal, onExceeded: resolve };
    void watchMemory({ ...options, memoryBytesMax: 32 * MEGABYTE });
  });
  expect(usedBytes).toBeGreaterThan(32 * MEGABYTE);
  process.kill(-pid, 'SIGKILL');
  await once(shell, 'exit');
  expect(residentBytes(pid)).toBe(0);
});
