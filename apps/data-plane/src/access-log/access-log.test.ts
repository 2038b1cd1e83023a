import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AccessLogConfig } from '@polygate/chassis';
import { afterAll, expect, test, vi } from 'vitest';
import { createAccessLog } from './access-log.ts';

const folder = mkdtempSync(join(tmpdir(), 'access-log-'));
afterAll(() => rmSync(folder, { recursive: true }));

const vars = (n: number) => ({ get: () => String(n), set: () => undefined });
const errors: string[] = [];
const log = { debug() {}, info() {}, warn() {}, error: (text: string) => void errors.push(text) };

let files = 0;
function open(config: Partial<AccessLogConfig> = {}) {
  const file = config.file ?? join(folder, `${files++}/logs/access.log`);
  const settings = { enabled: true, bufferBytes: 100, format: 'line $n', escape: 'none' as const };
  const accessLog = createAccessLog({ ...settings, ...config, file }, log)!;
  return { accessLog, file, text: () => readFileSync(file, 'utf8') };
}

test('lines are written when the buffer is full, into folders that need not be there', async () => {
  const { accessLog, text } = open();
  for (let i = 10; i < 50; i++) accessLog.write(vars(i));
  await vi.waitFor(() => expect(text()).toMatch(/^line 10\nline 11\n/), 10_000);
  await accessLog.close();
  expect(text().split('\n').slice(0, -1)).toEqual(
    Array.from({ length: 40 }, (_, i) => `line ${i + 10}`),
  );
});

test('a lonely line does not wait for others', async () => {
  const { accessLog, text } = open();
  accessLog.write(vars(1));
  await vi.waitFor(() => expect(text()).toBe('line 1\n'), 20_000);
  await accessLog.close();
});

test('after reopen() lines go to the new file', async () => {
  const { accessLog, file, text } = open();
  accessLog.write(vars(1));
  accessLog.flush();
  await vi.waitFor(() => expect(text()).toBe('line 1\n'), 10_000);
  renameSync(file, `${file}.1`);
  accessLog.reopen();
  accessLog.write(vars(2));
  await accessLog.close();
  expect([readFileSync(`${file}.1`, 'utf8'), text()]).toEqual(['line 1\n', 'line 2\n']);
});

test('a file that cannot be opened is an error in the log, and no more', async () => {
  const { accessLog } = open({ file: '/dev/null/access.log' });
  accessLog.write(vars(1));
  await accessLog.close();
  expect(errors).toEqual([expect.stringContaining('access log: failed to open file: /dev/null/')]);
});

test('there is no log where it is switched off', () => {
  const config = { file: '/dev/stdout', bufferBytes: 1, format: '', escape: 'default' as const };
  expect(createAccessLog({ ...config, enabled: false }, log)).toBeUndefined();
});
