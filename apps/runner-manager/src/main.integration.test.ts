import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkHealth } from '@polygate/rpc';
import { fakeRunnerCommand } from '@polygate/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { actionOf, StreamCaller } from './stream-caller.fixture.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const waitFor = { timeout: 20_000, interval: 50 };

/** Starts main.ts with a config file of this content; JSON is YAML. */
function start(config: object, directory: string): ChildProcess {
  const file = join(directory, 'config.yaml');
  writeFileSync(file, JSON.stringify(config));
  const child = spawn(process.execPath, [main, '--config', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  cleanups.push(() => child.kill('SIGKILL'));
  return child;
}

function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'pg-main-'));
  cleanups.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('the service reads config.yaml, serves calls, and at SIGTERM ends its runner', async () => {
  const directory = temporaryDirectory();
  const address = `unix:${join(directory, 'run', 'm.sock')}`;
  const child = start(
    {
      'ext-plugin': { cmd: fakeRunnerCommand('environment') },
      nginx_config: { envs: ['PG_MAIN=from config'] },
      polygate: { run_dir: join(directory, 'run'), runner_manager: { listen: address } },
    },
    directory,
  );
  await vi.waitFor(async () => expect(await checkHealth({ address })).toBe(true), waitFor);
  const caller = new StreamCaller(address);
  cleanups.push(() => caller.close());
  const action = actionOf(await caller.request());
  if (action.$case !== 'stop') throw new Error(action.$case);
  const { env, pid } = JSON.parse(action.value.body.toString()) as {
    env: Record<string, string>;
    pid: number;
  };
  expect(env['PG_MAIN']).toBe('from config');
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});

test('SIGHUP takes over the runners of the changed file, a broken file changes nothing', async () => {
  const directory = temporaryDirectory();
  const address = `unix:${join(directory, 'run', 'm.sock')}`;
  const polygate = { run_dir: join(directory, 'run'), runner_manager: { listen: address } };
  const child = start({ polygate }, directory);
  let told = '';
  child.stderr?.on('data', (text: Buffer) => (told += text.toString()));
  await vi.waitFor(async () => expect(await checkHealth({ address })).toBe(true), waitFor);
  const caller = new StreamCaller(address);
  cleanups.push(() => caller.close());
  const runners = [{ name: 'fake', cmd: fakeRunnerCommand('continue') }];
  const file = join(directory, 'config.yaml');
  writeFileSync(file, JSON.stringify({ polygate: { ...polygate, runners } }));
  child.kill('SIGHUP');
  const answers = async (): Promise<void> => {
    expect(actionOf(await caller.request({ runner: 'fake' })).$case).toBe('continue');
  };
  await vi.waitFor(answers, waitFor);
  writeFileSync(file, 'polygate: {runners: no list}');
  child.kill('SIGHUP');
  await vi.waitFor(() => expect(told).toContain('configuration not taken over'), waitFor);
  await answers();
});

test('a configuration that is wrong is told, and ends with code 1', async () => {
  const child = start({ 'ext-plugin': { cmd: 'not a list' } }, temporaryDirectory());
  let told = '';
  child.stderr?.on('data', (text: Buffer) => (told += text.toString()));
  const ended = new Promise((resolve) => child.once('close', resolve));
  expect(await ended).toBe(1);
  expect(told).toMatch(/ext-plugin\.cmd/);
});
