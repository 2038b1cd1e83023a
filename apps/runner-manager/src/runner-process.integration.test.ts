import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FailureReason, RunnerState } from '@polygate/rpc';
import { fakeRunnerCommand, startFakeRunner } from '@polygate/testing';
import { expect, test, vi } from 'vitest';
import {
  isAlive,
  runnerConfig,
  startTestManager,
  testManagers,
  waitFor,
} from './manager.fixture.ts';
import { startRunnerManager } from './runner-manager.ts';
import { actionOf, failure, HUNG_UP, type Result } from './stream-caller.fixture.ts';

const { onEnd, start, temporaryDirectory } = testManagers();

function bodyOf(result: Result): Record<string, never> & { env: Record<string, string> } {
  const action = actionOf(result);
  if (action.$case !== 'stop') throw new Error(action.$case);
  return JSON.parse(action.value.body.toString()) as never;
}

test('a call waits for the runner that is just starting', async () => {
  const { caller, instance, log, runner } = await start({
    runner: { cmd: fakeRunnerCommand('continue') },
  });
  expect(runner()).toMatchObject({ state: RunnerState.STARTING, generation: 1 });
  expect(actionOf(await caller.request()).$case).toBe('continue');
  expect(runner()).toMatchObject({ name: 'default', state: RunnerState.READY, recentRestarts: [] });
  expect(isAlive(instance().pid)).toBe(true);
  await vi.waitFor(() => expect(log).toContain('warn: fake runner continue listens'), waitFor);
});

test('the runner sees the whitelisted part of the environment, and where to listen', async () => {
  vi.stubEnv('PG_SECRET', 'not for runners');
  vi.stubEnv('PG_COPIED', 'copied');
  onEnd(() => vi.unstubAllEnvs());
  const { caller, runDir } = await start({
    runner: { cmd: fakeRunnerCommand('environment') },
    config: { env: ['PG_COPIED', 'PG_SET=a=b', 'PG_MISSING'] },
  });
  const { env } = bodyOf(await caller.request());
  const { APISIX_LISTEN_ADDRESS: address, PATH: path, ...rest } = env;
  expect(rest).toEqual({ APISIX_CONF_EXPIRE_TIME: '3600', PG_COPIED: 'copied', PG_SET: 'a=b' });
  expect(path).toBe(process.env['PATH']);
  expect(address).toMatch(new RegExp(`^unix:${runDir}/runner-[0-9a-f]+\\.sock$`));
});

test('a runner that crashes in a call fails it and is started again', async () => {
  const { caller, instance, log, runDir } = await start({
    runner: { cmd: fakeRunnerCommand('crash-mid-call') },
  });
  const result = await caller.request();
  expect(result).toEqual(failure(FailureReason.PROTOCOL, expect.stringMatching(HUNG_UP)));
  await vi.waitFor(() => {
    expect(instance()).toMatchObject({ state: RunnerState.READY, restarts: 1 });
  }, waitFor);
  expect(log).toContain('warn: runner exited with reason: exit, status: 7');
  const command = JSON.stringify(fakeRunnerCommand('crash-mid-call'));
  const respawn = /^warn: respawn runner 0(\.\d)? seconds later with cmd: (.*)$/;
  expect(log.map((line) => respawn.exec(line)?.[2])).toContain(command);
  expect(readdirSync(runDir).length).toBe(1);
});

test('kill -9 of the runner is survived, and tokens are obtained anew', async () => {
  const { caller, instance, log } = await start({
    runner: { cmd: fakeRunnerCommand('environment') },
  });
  await caller.request();
  const { pid } = instance();
  process.kill(pid, 'SIGKILL');
  await vi.waitFor(() => {
    expect(instance()).toMatchObject({ state: RunnerState.READY, restarts: 1 });
  }, waitFor);
  expect(log).toContain('warn: runner exited with reason: signal, status: 9');
  expect(bodyOf(await caller.request())['pid']).toBe(instance().pid);
  expect(isAlive(pid)).toBe(false);
});

test('a runner that ends at once is tried with growing delays; calls fail meanwhile', async () => {
  const { caller, instance, log } = await start({ runner: { cmd: ['/bin/sh', '-c', 'exit 3'] } });
  expect(await caller.request()).toMatchObject(
    failure(FailureReason.UNAVAILABLE, 'runner exited with reason: exit, status: 3'),
  );
  await vi.waitFor(() => expect(instance().restarts).toBeGreaterThan(3), waitFor);
  const delays = log.flatMap((line) => {
    const match = /respawn runner ([\d.]+) seconds later/.exec(line);
    return match ? [Number(match[1])] : [];
  });
  expect(delays[3]).toBeGreaterThan(delays[0]!);
  expect(Math.max(...delays)).toBeLessThanOrEqual(0.4);
});

test.each<[string, () => string[], RegExp]>([
  ['a program that is not there', () => ['/nonexistent/runner', 'run'], /ENOENT/],
  [
    'a file that may not be run',
    () => {
      const file = join(temporaryDirectory(), 'runner');
      writeFileSync(file, '#!/bin/sh\n', { mode: 0o644 });
      return [file];
    },
    /EACCES/,
  ],
  ['a directory', () => [temporaryDirectory()], /EACCES/],
  ['no program', () => [], /the command is empty/],
  ['a zero byte', () => ['/bin/\0sh'], /null bytes/],
])('%s is a configuration error, told once', async (_name, makeCommand, why) => {
  const { caller, instance, log } = await start({ runner: { cmd: makeCommand() } });
  await vi.waitFor(() => {
    expect(instance()).toMatchObject({ state: RunnerState.MISCONFIGURED, pid: 0 });
  }, waitFor);
  expect(instance().lastError).toMatch(why);
  expect(await caller.request()).toMatchObject(
    failure(FailureReason.UNAVAILABLE, expect.stringMatching(why)),
  );
  expect(log.filter((line) => line.startsWith('error: configuration error:')).length).toBe(1);
  expect(log.some((line) => line.includes('respawn'))).toBe(false);
});

test('a runner that starts and does not listen lets calls wait only so long', async () => {
  const { caller } = await start({
    runner: { cmd: ['/bin/sh', '-c', 'exec sleep 60'] },
    limits: { startWaitMs: 100 },
  });
  const refused = failure(
    FailureReason.UNAVAILABLE,
    expect.stringContaining('failed to connect to the unix socket unix:'),
  );
  expect(await caller.request()).toMatchObject(refused);
  expect(await caller.request()).toMatchObject(refused);
});

test('stop ends a runner that ignores SIGTERM, and what it started', async () => {
  const { caller, instance, manager, stop, log, runDir } = await startTestManager({
    // the shell stays the parent: stop must reach the whole group
    runner: { cmd: ['/bin/sh', '-c', '"$0" "$@"; true', ...fakeRunnerCommand('ignore-sigterm')] },
    config: { stopTimeoutMs: 300 },
  });
  await caller.request();
  const { pid } = instance();
  const before = performance.now();
  await stop();
  expect(performance.now() - before).toBeGreaterThanOrEqual(300);
  expect(isAlive(pid)).toBe(false);
  await vi.waitFor(() => expect(isAlive(-pid)).toBe(false), waitFor);
  expect(log).toContain(`info: terminate runner ${pid} with SIGTERM`);
  expect(manager.listRunners()).toEqual([]);
  expect(existsSync(runDir)).toBe(false);
});

test('what a runner leaves behind goes with it', async () => {
  const file = join(temporaryDirectory(), 'pid');
  const { instance } = await start({
    runner: { cmd: ['/bin/sh', '-c', `sleep 300 & echo $! > ${file}; sleep 0.1; exit 1`] },
    limits: { respawnDelayMsMin: 60_000, respawnDelayMsMax: 60_000 },
  });
  await vi.waitFor(() => {
    expect(instance()).toMatchObject({ state: RunnerState.BACKING_OFF });
  }, waitFor);
  const pid = Number(
    await import('node:fs').then(({ readFileSync }) => readFileSync(file, 'utf8')),
  );
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), waitFor);
});

test('what a runner says is logged up to the rate, in lines of a bounded length', async () => {
  const script = `i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done
    printf '%5000s\\n' x; printf 'bell\\007 \\033[31mred\\n'; sleep 1.2; echo last; exec sleep 60`;
  const { log } = await start({
    runner: { cmd: ['/bin/sh', '-c', script] },
    limits: { logLinesPerSecondMax: 100, logLineBytesMax: 200 },
  });
  await vi.waitFor(() => expect(log).toContain('warn: last'), waitFor);
  expect(log.filter((line) => line.startsWith('warn: line ')).length).toBeLessThanOrEqual(200);
  expect(log.some((line) => /^warn: left out \d+ lines that came too fast$/.test(line))).toBe(true);
  expect(Math.max(...log.map((line) => line.length))).toBeLessThanOrEqual(210);
});

test('a socket that a dead runner left is removed, one that is answered on is not', async () => {
  const runDir = temporaryDirectory();
  const stale = join(runDir, 'runner-0123456789ab.sock');
  const program = `require('net').createServer().listen(process.argv[1], () => process.abort())`;
  spawnSync(process.execPath, ['-e', program, stale]);
  expect(existsSync(stale)).toBe(true);
  const alive = await startFakeRunner({}, join(runDir, 'runner-ba9876543210.sock'));
  onEnd(() => alive.close());
  await start({ runDir });
  expect(readdirSync(runDir)).toEqual(['runner-ba9876543210.sock']);
});

test('a runDir too long for a socket is refused at the start', async () => {
  const runDir = join(temporaryDirectory(), 'x'.repeat(100));
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const runners = [runnerConfig({ cmd: ['/bin/true'] })];
  await expect(startRunnerManager({ listen: '127.0.0.1:0', runners, runDir, log })).rejects.toThrow(
    /use a shorter runDir/,
  );
});

test('kill -9 of the manager takes the runner with it, even one that ignores SIGTERM', async () => {
  const runDir = temporaryDirectory();
  const index = fileURLToPath(new URL('./index.ts', import.meta.url));
  const program = `
    import { startRunnerManager } from ${JSON.stringify(index)};
    const runner = ${JSON.stringify(runnerConfig({ cmd: [] }))};
    const log = { debug() {}, info() {}, warn() {}, error: console.error };
    const [runDir, ...cmd] = process.argv.slice(1);
    const manager = await startRunnerManager(
      { listen: '127.0.0.1:0', runners: [{ ...runner, source: { cmd } }], runDir, log });
    const timer = setInterval(() => {
      const [{ state, pid }] = manager.listRunners()[0].instances;
      if (state === ${RunnerState.READY}) { console.log(pid); clearInterval(timer); }
    }, 20);`;
  const command = fakeRunnerCommand('ignore-sigterm');
  const args = ['--input-type=module-typescript', '-e', program, runDir, ...command];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  onEnd(() => child.kill('SIGKILL'));
  const pid = await new Promise<number>((resolve, reject) => {
    child.stdout.once('data', (text: Buffer) => resolve(Number(text.toString())));
    child.once('exit', () => reject(new Error('the manager ended')));
  });
  expect(isAlive(pid)).toBe(true);
  child.kill('SIGKILL');
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), waitFor);
  await vi.waitFor(() => expect(readdirSync(runDir)).toEqual([]), waitFor);
});
