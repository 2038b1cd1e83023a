import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, expect, test, vi } from 'vitest';
import { LineFile, type LineFileOptions } from './line-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'line-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function open(options: Partial<LineFileOptions> = {}) {
  const path = join(folder, `${files++}.log`);
  const problems: string[] = [];
  const file = new LineFile({
    path,
    bufferBytes: 1000,
    flushMs: 60_000,
    promptWritesMax: 0,
    makesFolder: false,
    onProblem: (message) => problems.push(message),
    ...options,
  });
  const text = (): string => readFileSync(options.path ?? path, 'utf8');
  return { file, path, problems, text };
}
const until = (holds: () => void) => vi.waitFor(holds, { timeout: 20_000, interval: 5 });

test('lines wait until there are enough of them', async () => {
  const { file, path, text } = open({ bufferBytes: 8 });
  file.write('one\n');
  expect(() => statSync(path)).toThrow('ENOENT');
  file.write('two\n');
  await until(() => expect(text()).toBe('one\ntwo\n'));
  await file.close();
});

test('lines that were put together of parts are whole, and each stands alone', async () => {
  const { file, text } = open({ bufferBytes: 100_000 });
  const lines = Array.from({ length: 500 }, (_, i) => `${i} ${'é'.repeat(i % 7)}`);
  for (const line of lines) file.write(`{"a":"${line}"}${line.length % 2 === 0 ? '\n' : ''}`);
  await file.close();
  expect(text()).toBe(lines.map((line) => `{"a":"${line}"}\n`).join(''));
});

test('lines wait no longer than the time that is set', async () => {
  const { file, text } = open({ flushMs: 5 });
  file.write('one\n');
  await until(() => expect(text()).toBe('one\n'));
  file.write('two\n');
  await until(() => expect(text()).toBe('one\ntwo\n'));
  await file.close();
});

test('a quiet file has its lines at once, a busy one later', async () => {
  const { file, text } = open({ promptWritesMax: 2 });
  file.write('one\n');
  expect(text()).toBe('one\n');
  file.write('two\n');
  file.write('three\n');
  expect(text()).toBe('one\ntwo\n');
  await file.close();
  expect(text()).toBe('one\ntwo\nthree\n');
});

test('close() writes what is waiting, and lines behind it are counted as lost', async () => {
  const { file, text } = open();
  for (let i = 0; i < 10_000; i++) file.write(`${i} ä\n`);
  await file.close();
  expect(text().split('\n').slice(0, -1)).toEqual(
    Array.from({ length: 10_000 }, (_, i) => `${i} ä`),
  );
  file.write('late\n');
  expect(file.lostLines).toBe(1);
});

test('after reopen() what waited is in the old file and the rest in a new one', async () => {
  const { file, path, text } = open();
  file.write('one\n');
  file.flush();
  await until(() => expect(text()).toBe('one\n'));
  renameSync(path, `${path}.1`);
  file.write('two\n');
  file.reopen();
  file.write('three\n');
  await file.close();
  expect(readFileSync(`${path}.1`, 'utf8')).toBe('one\ntwo\n');
  expect(text()).toBe('three\n');
});

test('it makes the folder where it may, and says what is wrong where it may not', async () => {
  const inside = join(folder, 'deep/er/file.log');
  const allowed = open({ path: inside, makesFolder: true });
  allowed.file.write('one\n');
  await allowed.file.close();
  expect(allowed.text()).toBe('one\n');

  const refused = open({ path: join(folder, 'none/file.log') });
  refused.file.write('one\n');
  await refused.file.close();
  expect(refused.problems).toEqual([
    expect.stringMatching(/^failed to open file: .*file.log: No such file or directory$/),
  ]);
  expect(refused.file.lostLines).toBe(1);
});

test('a pipe nobody reads costs bounded memory, one warning and a count of what is lost', async () => {
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  // opened for reading, so that it can be opened for writing; read from later
  const reader = spawn('sh', ['-c', 'exec 3<"$0"; read go; cat <&3', fifo], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const { file, problems } = open({ path: fifo, waitingCharsMax: 20_000, flushMs: 5 });
  await until(() => {
    file.write('first\n');
    file.flush();
    expect(problems.length % 2).toBe(0); // no reader yet: ENXIO
  });
  problems.length = 0;
  const line = `${'x'.repeat(99)}\n`;
  let written = 0;
  const fill = setInterval(() => {
    for (let i = 0; i < 100; i++, written++) file.write(line);
  }, 1);
  await until(() => expect(problems).toHaveLength(1));
  clearInterval(fill);
  expect(problems[0]).toContain('lines come faster than they can be written and are lost');

  let read = '';
  reader.stdout.on('data', (chunk: Buffer) => (read += chunk.toString()));
  reader.stdin.write('go\n');
  await until(() => expect(problems).toHaveLength(2));
  expect(problems[1]).toMatch(/: \d+ lines were lost$/);
  await file.close();
  await once(reader.stdout, 'end');
  const lines = read.split('\n').filter((text) => text.startsWith('x'));
  expect(lines.every((text) => `${text}\n` === line)).toBe(true);
  expect(lines.length + Number(/(\d+) lines/.exec(problems[1] ?? '')?.[1])).toBe(written);
});

test('threads that write to one file do not mix their lines', async () => {
  const path = join(folder, 'threads.log');
  const code = `
    const { workerData } = require('node:worker_threads');
    import(workerData.module).then(async ({ LineFile }) => {
      const file = new LineFile({ path: workerData.path, bufferBytes: 4096, flushMs: 5,
        promptWritesMax: 2, makesFolder: false, onProblem: (text) => { throw new Error(text); } });
      for (let i = 0; i < 3000; i++) {
        file.write(workerData.id.repeat(10 + (i % 300)) + '\\n');
        if (i % 50 === 0) await new Promise(setImmediate);
      }
      await file.close();
    });`;
  const module = new URL('./line-file.ts', import.meta.url).href;
  const threads = ['a', 'b', 'c'].map(
    (id) => new Worker(code, { eval: true, workerData: { module, path, id } }),
  );
  await Promise.all(threads.map((thread) => once(thread, 'exit')));
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  expect(lines).toHaveLength(9000);
  expect(lines.filter((line) => !/^(a+|b+|c+)$/.test(line))).toEqual([]);
});

test('standard output can be written to by its name, also where it is no file', () => {
  const module = new URL('./line-file.ts', import.meta.url).href;
  const script = `
    import { LineFile } from '${module}';
    const file = new LineFile({ path: '/dev/stdout', bufferBytes: 100000, flushMs: 1000,
      promptWritesMax: 0, makesFolder: true, onProblem: console.error });
    for (let i = 0; i < 5000; i++) file.write('line ' + i + '\\n');
    await file.close();`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script]);
  expect(output.toString().split('\n')).toHaveLength(5001);
});
