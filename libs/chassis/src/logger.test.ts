import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createLogger, openLogDestination, type LoggerOptions } from './logger.ts';

function capture(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const log = createLogger({
    level: 'info',
    format: 'text',
    service: 'data-plane#3',
    stream: { write: (line) => lines.push(line) },
    ...options,
  });
  return { log, lines };
}

test('text is one line as nginx writes it, fields behind', () => {
  const { log, lines } = capture();
  log.warn('no runner', { try: 2, list: [1] });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(
    /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[warn\] data-plane#3: no runner, try: 2, list: \[1\]\n$/,
  );
});

test('json is one object a line', () => {
  const { log, lines } = capture({ format: 'json' });
  log
    .child({ route: '7' })
    .error('it broke', { error: new Error('outer', { cause: new Error('inner') }) });
  const line = JSON.parse(lines[0]!);
  expect(line).toMatchObject({
    level: 'error',
    service: 'data-plane#3',
    message: 'it broke',
    route: '7',
    error: { type: 'Error', message: 'outer: inner' },
  });
  expect(Date.parse(line.time)).toBeGreaterThan(Date.now() - 60_000);
  expect(line.error.stack).toContain('caused by');
});

test('lines below the level are not written', () => {
  const { log, lines } = capture({ level: 'warn' });
  log.debug('a');
  log.info('b');
  log.child({}).info('c');
  log.error('d');
  expect(lines).toHaveLength(1);
  expect([log.isEnabled('info'), log.isEnabled('error')]).toEqual([false, true]);
});

test('what a client sent cannot forge a line or hide one', () => {
  const { log, lines } = capture();
  log.info('path\n2026/01/01 [error] forged\u2028x', { header: '\x1b[2J\r' });
  expect(lines[0]!.match(/\n/g)).toHaveLength(1);
  expect(lines[0]).toContain('path\\u000a2026');
  expect(lines[0]).not.toMatch(/[\x1b\r\u2028]/);
});

test('a percent sign in a message is a percent sign', () => {
  const { log, lines } = capture();
  log.info('100%s done %d', { a: '%s' });
  expect(lines[0]).toContain('100%s done %d, a: %s');
});

test('an error is written with its stack on the same line', () => {
  const { log, lines } = capture();
  log.child({ worker: 1 }).error('failed', { error: new TypeError('boom') });
  expect(lines[0]).toMatch(/failed, worker: 1, error: TypeError: boom <- at .* <- at .*\n$/);
});

test('the last line of a process and of a worker thread reaches standard error', () => {
  const script = join(import.meta.dirname, 'fixtures/logging-process.ts');
  const { stderr, status } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  expect(status).toBe(3);
  expect(stderr).toContain('[info] worker#1: from the thread\n');
  expect(stderr.endsWith('[error] main: last words\n')).toBe(true);
});

test('a log file is made with its folder, appended to line by line, and opened anew', () => {
  const folder = mkdtempSync(join(tmpdir(), 'chassis-log-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'logs/error.log');
  const destination = openLogDestination(file);
  const { log } = capture({ stream: destination });
  const other = capture({ stream: openLogDestination(file) }).log;
  log.info('one');
  other.info('two');
  log.info('three');
  renameSync(file, `${file}.1`);
  log.info('four');
  destination.reopen();
  log.info('five');
  const messages = (path: string) =>
    [...readFileSync(path, 'utf8').matchAll(/: (\w+)\n/g)].map((match) => match[1]);
  expect(messages(`${file}.1`)).toEqual(['one', 'two', 'three', 'four']);
  expect(messages(file)).toEqual(['five']);
});

test('a log file that cannot be opened is an error at once', () => {
  expect(() => openLogDestination('/dev/null/error.log')).toThrow(/EEXIST|ENOTDIR/);
});
