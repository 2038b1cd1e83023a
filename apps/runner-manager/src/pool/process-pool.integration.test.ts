import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FailureReason, RunnerState } from '@polygate/rpc';
import { startFakeRunner } from '@polygate/testing';
import { expect, test, vi } from 'vitest';
import { isAlive, runnerConfig, testManagers, waitFor } from '../manager.fixture.ts';
import { actionOf, failure, type Result } from '../stream-caller.fixture.ts';
import { runnerScript, writeRunnerScript, type RunnerScript } from './runner-script.fixture.ts';

const { onEnd, start } = testManagers();

function script(before: string, onRequestCall?: string): RunnerScript {
  const written = writeRunnerScript(before, onRequestCall);
  onEnd(written.remove);
  return written;
}

function bodyOf(result: Result): string {
  const action = actionOf(result);
  return action.$case === 'stop' ? action.value.body.toString() : action.$case;
}

const PID = '({ id }, peer) => peer.answer(id, stop(String(process.pid)))';
const never = '({ id }, peer) => peer.socket.on("close", () => console.log("given up"))';

test('calls are spread over the instances, and one that dies comes back', async () => {
  const { cmd } = script('', PID);
  const { caller, runner } = await start({ runner: { cmd }, config: { instances: 3 } });
  await vi.waitFor(() => {
    expect(runner().instances.map(({ state }) => state)).toEqual(Array(3).fill(RunnerState.READY));
  }, waitFor);
  const answers = await Promise.all(Array.from({ length: 30 }, () => caller.request()));
  const pids = runner().instances.map(({ pid }) => String(pid));
  expect(new Set(answers.map(bodyOf))).toEqual(new Set(pids));
  expect(
    runner()
      .instances.map(({ calls }) => calls)
      .sort(),
  ).toEqual([10, 10, 10]);
  process.kill(Number(pids[1]), 'SIGKILL');
  await vi.waitFor(() => {
    expect(runner().instances[1]).toMatchObject({ state: RunnerState.READY, restarts: 1 });
  }, waitFor);
  // What was wrong with it is past: the restarts tell of it.
  expect(runner().instances.map(({ lastError }) => lastError)).toEqual(['', '', '']);
  const restarts = [{ index: 1, generation: 1, reason: 'signal SIGKILL' }];
  expect(runner()).toMatchObject({ state: RunnerState.READY, recentRestarts: restarts });
});

test('a call waits for a runner that was well and is being started again', async () => {
  const { cmd } = script('', PID);
  const { caller, instance } = await start({ runner: { cmd } });
  const pid = Number(bodyOf(await caller.request()));
  process.kill(pid, 'SIGKILL');
  await vi.waitFor(() => expect(instance().state).toBe(RunnerState.BACKING_OFF), waitFor);
  expect(bodyOf(await caller.request())).not.toBe(String(pid));
});

test('a runner that ends again and again is in a crash loop, and calls fail at once', async () => {
  const { caller, instance, runner } = await start({
    runner: { cmd: ['/bin/sh', '-c', 'exit 3'] },
    limits: { crashLoopRuns: 3, respawnDelayMsMin: 5, respawnDelayMsMax: 60_000 },
  });
  await vi.waitFor(() => expect(instance().state).toBe(RunnerState.CRASH_LOOP), waitFor);
  expect(runner()).toMatchObject({ state: RunnerState.CRASH_LOOP });
  expect(runner().recentRestarts).toHaveLength(3);
  expect(await caller.request()).toMatchObject(failure(FailureReason.UNAVAILABLE, /status: 3/));
});

test('a runner that does not listen in time is ended and tried again', async () => {
  const { runner, instance } = await start({
    runner: { cmd: ['/bin/sleep', '60'] },
    config: { startTimeoutMs: 100 },
    limits: { respawnDelayMsMin: 60_000, respawnDelayMsMax: 60_000 },
  });
  const { pid } = instance();
  const why = /^not ready within 100 ms: failed to/;
  await vi.waitFor(() => expect(runner().recentRestarts).toMatchObject([{ reason: why }]), waitFor);
  expect(instance()).toMatchObject({ state: RunnerState.BACKING_OFF, lastError: why });
  expect(isAlive(pid)).toBe(false);
});

test('a runner that stops listening gets no calls, and is ended if it stays so', async () => {
  const { cmd } = script('', PID);
  const { caller, instance, runDir, runner } = await start({
    runner: { cmd },
    limits: { startWaitMs: 300, connectionIdleMs: 1 },
  });
  await vi.waitFor(() => expect(instance().state).toBe(RunnerState.READY), waitFor);
  const pid = Number(bodyOf(await caller.request()));
  const [socket = ''] = readdirSync(runDir);
  spawnSync('rm', [join(runDir, socket)]);
  // Connections that it has go on: only a new one shows that nobody listens.
  await vi.waitFor(async () => {
    await caller.request();
    expect(instance().restarts).toBe(1);
  }, waitFor);
  expect(isAlive(pid)).toBe(false);
  expect(runner().recentRestarts).toMatchObject([{ reason: /^not ready within 300 ms/ }]);
  await vi.waitFor(async () => expect(bodyOf(await caller.request())).not.toBe(''), waitFor);
});

test('a restart leaves calls to the old processes, which end when the calls have', async () => {
  const slow =
    '({ id }, peer) => setTimeout(() => peer.answer(id, stop(String(process.pid))), 600)';
  const { cmd } = script('', slow);
  const { caller, manager, runner, instance } = await start({ runner: { cmd } });
  await vi.waitFor(() => expect(instance().state).toBe(RunnerState.READY), waitFor);
  const oldPid = instance().pid;
  const answer = caller.request();
  await vi.waitFor(() => expect(instance().callsInFlight).toBe(1), waitFor);
  expect(await manager.restartRunner('default')).toBe(2);
  expect(runner()).toMatchObject({
    generation: 2,
    state: RunnerState.READY,
    recentRestarts: [{ generation: 2, reason: 'restart asked for' }],
  });
  expect(bodyOf(await answer)).toBe(String(oldPid));
  await vi.waitFor(() => expect(runner().instances).toHaveLength(1), waitFor);
  expect(isAlive(oldPid)).toBe(false);
  expect(bodyOf(await caller.request())).toBe(String(instance().pid));
});

test('calls of the old processes have a limit, too', async () => {
  const { cmd } = script('', never);
  const { caller, manager, instance } = await start({
    runner: { cmd },
    limits: { drainMsMax: 50 },
  });
  await vi.waitFor(() => expect(instance().state).toBe(RunnerState.READY), waitFor);
  const answer = caller.request();
  await vi.waitFor(() => expect(instance().callsInFlight).toBe(1), waitFor);
  await manager.restartRunner('default');
  expect(await answer).toMatchObject(failure(FailureReason.PROTOCOL, expect.anything()));
});

test('a generation that does not get ready leaves everything to the one before', async () => {
  const { cmd, file } = script('', PID);
  const { caller, manager, runner, log } = await start({ runner: { cmd } });
  const pid = bodyOf(await caller.request());
  writeFileSync(file, 'process.exit(9)');
  await expect(manager.restartRunner('default')).rejects.toMatchObject({
    status: 'FAILED_PRECONDITION',
    message: /generation 2 did not get ready: .*status: 9/,
  });
  expect(bodyOf(await caller.request())).toBe(pid);
  expect(runner()).toMatchObject({ generation: 1, state: RunnerState.READY });
  expect(runner().recentRestarts.at(-1)?.reason).toMatch(
    /^restart asked for; generation 2 did not/,
  );
  expect(log.some((line) => /^error: .*generation 1 goes on/.test(line))).toBe(true);
  await expect(manager.restartRunner('other')).rejects.toMatchObject({ status: 'NOT_FOUND' });
});

test('a changed program is taken over when it is watched', async () => {
  const { cmd, file } = script('', '({ id }, peer) => peer.answer(id, stop("one"))');
  const { caller, runner } = await start({ runner: { cmd }, config: { watch: true } });
  expect(bodyOf(await caller.request())).toBe('one');
  const text = runnerScript('', '({ id }, peer) => peer.answer(id, stop("two"))');
  let writes = 0;
  // Again, because the first may come before the first look at the file.
  await vi.waitFor(
    () => {
      writeFileSync(file, text + '\n'.repeat((writes += 1)));
      expect(runner().generation).toBeGreaterThan(1);
    },
    { timeout: 20_000, interval: 2000 },
  );
  expect(bodyOf(await caller.request())).toBe('two');
  expect(runner().recentRestarts).toContainEqual(
    expect.objectContaining({ generation: 2, reason: 'binary changed' }),
  );
});

test('a runner over its memory limit is ended and started again', async () => {
  const { cmd } = script('', '({ id }, peer) => { globalThis.held = Buffer.alloc(400e6, 1); }');
  const { caller, instance, runner } = await start({
    runner: { cmd },
    config: { memoryBytesMax: 300e6 },
  });
  expect(await caller.request()).toMatchObject(failure(FailureReason.PROTOCOL, expect.anything()));
  await vi.waitFor(() => {
    expect(instance()).toMatchObject({ state: RunnerState.READY, restarts: 1 });
  }, waitFor);
  const reason = expect.stringMatching(/^uses \d+ bytes of memory, 300000000 are allowed$/);
  expect(runner().recentRestarts).toMatchObject([{ reason }]);
});

test('a runner has its folder and its limit of open files', async () => {
  const limits = 'JSON.stringify([process.cwd(), fs.readFileSync("/proc/self/limits", "utf8")])';
  const { cmd, folder } = script(
    'import fs from "node:fs";',
    `({ id }, peer) => peer.answer(id, stop(${limits}))`,
  );
  const { caller } = await start({ runner: { cmd }, config: { cwd: folder, filesMax: 123 } });
  const [cwd, found] = JSON.parse(bodyOf(await caller.request())) as [string, string];
  expect(cwd).toBe(folder);
  expect(found).toMatch(/^Max open files +123 +123 /m);
});

const isRoot = process.getuid?.() === 0;

test.runIf(isRoot)('a runner of another user has his rights only, and a folder', async () => {
  const program = `id -u; id -g; id -G; umask 0; > "\${APISIX_LISTEN_ADDRESS#unix:}" && echo made;
    ls ${'"$1"'} || echo closed; exec sleep 60`;
  const secret = script('').folder;
  const { runDir, runner } = await start({
    runner: { cmd: ['/bin/sh', '-c', program, 'runner', secret] },
    config: { user: '65534' },
  });
  await vi.waitFor(
    () => expect(runner().lastLines.map(({ text }) => text)).toContain('closed'),
    waitFor,
  );
  const written = runner().lastLines.filter(({ isError }) => !isError);
  expect(written.map(({ text }) => text)).toEqual(['65534', '65534', '65534', 'made', 'closed']);
  const own = statSync(join(runDir, 'u65534'));
  expect([own.uid, own.mode & 0o777]).toEqual([65534, 0o700]);
  expect(statSync(runDir).mode & 0o777).toBe(0o711);
});

test.runIf(isRoot)('who is not root may not start a runner as another user', () => {
  const config = runnerConfig({ cmd: ['/bin/sleep', '60'] }, { user: 'root' });
  const index = fileURLToPath(new URL('../index.ts', import.meta.url));
  const program = `
    import { mkdtempSync, rmSync } from 'node:fs';
    import { startRunnerManager } from ${JSON.stringify(index)};
    process.setgid(65534);
    process.setuid(65534);
    const runDir = mkdtempSync('${join(tmpdir(), 'pg-u-')}');
    const log = { debug() {}, info() {}, warn() {}, error: console.log };
    const runners = [${JSON.stringify(config)}];
    const manager = await startRunnerManager({ listen: '127.0.0.1:0', runners, runDir, log });
    while (manager.listRunners()[0].state === ${RunnerState.STARTING}) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await manager.stop(0);
    rmSync(runDir, { recursive: true });
    process.exit(0);`;
  const { stdout } = spawnSync(
    process.execPath,
    ['--input-type=module-typescript', '-e', program],
    { encoding: 'utf8', cwd: import.meta.dirname },
  );
  expect(stdout).toMatch(/^configuration error: failed to start .* as root, only root may: EPERM/);
});

test.each([
  ['a user that nobody knows', { user: 'nobody-by-this-name' }, /there is no user nobody-by/],
  ['a folder that is not there', { cwd: '/nonexistent/folder' }, /ENOENT/],
  ['more files than the system has', { filesMax: 2 ** 40 }, /limit of 1099511627776 files/],
])('%s is a configuration error, not tried again', async (_name, config, why) => {
  const { instance, caller } = await start({ runner: { cmd: ['/bin/sleep', '60'] }, config });
  await vi.waitFor(() => expect(instance().state).toBe(RunnerState.MISCONFIGURED), waitFor);
  expect(instance()).toMatchObject({ lastError: why, restarts: 0 });
  expect(await caller.request()).toMatchObject(failure(FailureReason.UNAVAILABLE, why));
});

test('what a runner writes is kept, with its stream, instance and trace', async () => {
  const id = '0af7651916cd43dd8448eb211c80319c';
  const { cmd } = script(`console.log('out trace_id=${id}'); console.error('err');`);
  const { runner } = await start({ runner: { cmd } });
  await vi.waitFor(() => expect(runner().lastLines).toHaveLength(2), waitFor);
  const lines = [...runner().lastLines].sort((a, b) => Number(a.isError) - Number(b.isError));
  expect(lines).toMatchObject([
    { text: `out trace_id=${id}`, isError: false, index: 0, traceId: id },
    { text: 'err', isError: true, index: 0, traceId: '' },
  ]);
});

test('runners come, change and go with the configuration', async () => {
  const one = script('', '({ id }, peer) => peer.answer(id, stop("one"))');
  const two = script('', '({ id }, peer) => peer.answer(id, stop("two"))');
  const { caller, manager } = await start({ runner: { cmd: one.cmd } });
  const second = runnerConfig({ cmd: two.cmd }, { name: 'second' });
  expect(await manager.reconfigure([runnerConfig({ cmd: one.cmd }), second])).toEqual([]);
  expect(bodyOf(await caller.request({ runner: 'second' }))).toBe('two');
  expect(bodyOf(await caller.request())).toBe('one');

  const changed = runnerConfig({ cmd: two.cmd }, { plugins: ['demo'] });
  expect(await manager.reconfigure([changed])).toEqual([]);
  expect(bodyOf(await caller.request())).toBe('two');
  expect(manager.listRunners()).toMatchObject([
    { name: 'default', generation: 2, plugins: ['demo'] },
  ]);
  expect(await caller.request({ runner: 'second' })).toMatchObject(
    failure(FailureReason.UNAVAILABLE, expect.stringContaining('no runner is named "second"')),
  );

  const broken = runnerConfig({ cmd: ['/nonexistent/runner'] });
  const [problem] = await manager.reconfigure([broken]);
  expect(problem).toMatch(/command changed; generation 3 did not get ready: .*ENOENT/);
  expect(bodyOf(await caller.request())).toBe('two');
});

test('an address takes the place of a process, and the other way round', async () => {
  const fake = await startFakeRunner({
    onRequestCall: ({ id }, peer) => {
      peer.answer(id, { kind: 'stop', status: 200, headers: [], body: Buffer.from('address') });
    },
  });
  onEnd(() => fake.close());
  const { cmd } = script('', PID);
  const { caller, manager, runner, instance } = await start({ runner: { cmd } });
  const pid = Number(bodyOf(await caller.request()));
  const address = runnerConfig({ socketPath: fake.socketPath, requiresReplyId: true });
  expect(await manager.reconfigure([address])).toEqual([]);
  expect(bodyOf(await caller.request())).toBe('address');
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), waitFor);
  await vi.waitFor(() =>
    expect(runner()).toMatchObject({ state: RunnerState.READY, generation: 0 }),
  );
  await expect(manager.restartRunner('default')).rejects.toMatchObject({
    status: 'FAILED_PRECONDITION',
  });
  expect(await manager.reconfigure([runnerConfig({ cmd })])).toEqual([]);
  expect(bodyOf(await caller.request())).toBe(String(instance().pid));
  expect(existsSync(fake.socketPath)).toBe(true);
});
