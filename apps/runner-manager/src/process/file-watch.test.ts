import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { watchFiles } from './file-watch.ts';

const folder = mkdtempSync(join(tmpdir(), 'pg-watch-'));
afterAll(() => rmSync(folder, { recursive: true }));
const waitFor = { timeout: 10_000, interval: 10 };

test('a file that is written or replaced is told once it is there and rests', async () => {
  const file = join(folder, 'runner');
  writeFileSync(file, 'one');
  const stop = new AbortController();
  const onChange = vi.fn();
  const files = vi.fn(() => [file]);
  const watching = watchFiles({
    files,
    intervalMs: 20,
    signal: stop.signal,
    onChange,
  });
  await vi.waitFor(() => expect(files.mock.calls.length).toBeGreaterThan(2), waitFor);
  expect(onChange).not.toHaveBeenCalled();
  writeFileSync(file, 'another');
  await vi.waitFor(() => expect(onChange).toHaveBeenCalledTimes(1), waitFor);
  rmSync(file);
  const looks = files.mock.calls.length;
  await vi.waitFor(() => expect(files.mock.calls.length).toBeGreaterThan(looks + 3), waitFor);
  expect(onChange).toHaveBeenCalledTimes(1);
  writeFileSync(`${file}.new`, 'third');
  renameSync(`${file}.new`, file);
  await vi.waitFor(() => expect(onChange).toHaveBeenCalledTimes(2), waitFor);
  stop.abort();
  await watching;
});
