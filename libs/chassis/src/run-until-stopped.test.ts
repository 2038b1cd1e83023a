import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';

const script = join(import.meta.dirname, 'fixtures/stoppable-process.ts');
interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  text(): string;
}

const children: Running[] = [];

function start(...args: string[]): Running {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const running = { child, ended, text: () => text };
  children.push(running);
  return running;
}

const wrote = (running: Running, message: string) =>
  vi.waitFor(() => expect(running.text()).toContain(`"message":"${message}"`), 10_000);

afterEach(async () => {
  for (const { child, ended } of children.splice(0)) {
    child.kill('SIGKILL');
    await ended;
  }
});

test.each(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)(
  '%s ends the work and then the process',
  async (signal) => {
    const running = start('tidily');
    await wrote(running, 'running');
    running.child.kill(signal);
    expect(await running.ended).toBe(0);
    expect(running.text()).toMatch(new RegExp(`stopping: ${signal}.*work ended.*stopped`, 's'));
  },
);

test('a wish of the program itself is like a signal', async () => {
  const running = start('ask');
  expect(await running.ended).toBe(0);
  expect(running.text()).toContain('stopping: asked to');
});

test('work that does not end in time is cut off with code 1', async () => {
  const running = start('hang', '100');
  await wrote(running, 'running');
  running.child.kill('SIGTERM');
  expect(await running.ended).toBe(1);
  expect(running.text()).toContain('not stopped after 100 ms');
});

test('stopping that fails is logged and ends with code 1', async () => {
  const running = start('fail');
  await wrote(running, 'running');
  running.child.kill('SIGTERM');
  expect(await running.ended).toBe(1);
  expect(running.text()).toContain('cannot stop');
});

test('a second signal ends at once', async () => {
  const running = start('hang', '60000');
  await wrote(running, 'running');
  // Those right after the first do not count, so one is sent until it does.
  const again = setInterval(() => running.child.kill('SIGTERM'), 100);
  expect(await running.ended).toBe(143);
  clearInterval(again);
  expect(running.text()).toContain('SIGTERM again');
});

test('a signal that comes twice, from the terminal and from the parent, is one wish', async () => {
  const running = start('tidily');
  await wrote(running, 'running');
  running.child.kill('SIGINT');
  running.child.kill('SIGTERM');
  expect(await running.ended).toBe(0);
  expect(running.text()).toContain('work ended');
});

test.each([
  ['throw', 'uncaught exception', 'nobody catches this'],
  ['reject', 'unhandled rejection', 'nobody awaits this'],
])(
  'an error that nobody handles (%s) is logged and ends with code 1',
  async (manner, kind, reason) => {
    const running = start(manner);
    expect(await running.ended).toBe(1);
    expect(running.text()).toContain(kind);
    expect(running.text()).toContain(reason);
  },
);
