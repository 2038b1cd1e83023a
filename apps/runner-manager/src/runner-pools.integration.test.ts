import type { RunnerConfig } from '@polygate/chassis';
import { FailureReason, type ConfReference, type RecordedCall } from '@polygate/rpc';
import { FrameDecoder, FrameType, type Frame } from '@polygate/runner-protocol';
import {
  fakeRunnerCommand,
  startFakeRunner,
  type FakeRunner,
  type FakeRunnerScript,
} from '@polygate/testing';
import { afterEach, expect, test, vi } from 'vitest';
import type { RunnerLimits } from './manager-options.ts';
import { runnerConfig, startTestManager, type TestManager } from './manager.fixture.ts';
import { actionOf, failure, type StreamCaller } from './stream-caller.fixture.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const waitFor = { timeout: 10_000, interval: 10 };

interface Started {
  readonly fakes: readonly FakeRunner[];
  readonly fake: FakeRunner;
}

/** A pool per name, each with a fake runner of its own. */
async function start(
  names: readonly string[],
  script: FakeRunnerScript = {},
  limits: Partial<RunnerLimits> = {},
): Promise<Started & TestManager> {
  const fakes = await Promise.all(names.map(() => startFakeRunner(script)));
  for (const fake of fakes) cleanups.push(() => fake.close());
  const runners: RunnerConfig[] = fakes.map(({ socketPath }, i) =>
    runnerConfig({ socketPath, requiresReplyId: true }, { name: names[i] as string }),
  );
  const manager = await startTestManager({ runners, limits });
  cleanups.push(() => manager.stop());
  return { fakes, fake: fakes[0] as FakeRunner, ...manager };
}

const conf = (n: number): ConfReference => ({
  key: `route#${n}#x#1`,
  plugins: [{ name: 'demo', value: `{"n":${n}}` }],
});

function hold(caller: StreamCaller, ref: ConfReference, runner = ''): void {
  caller.send({ callId: 0, frame: { $case: 'holdConf', value: { conf: ref, runner } } });
}

function release(caller: StreamCaller, { key }: ConfReference, runner = ''): void {
  caller.send({ callId: 0, frame: { $case: 'releaseConf', value: { key, runner } } });
}

test('a call goes to the pool that it names, and no name stands for default', async () => {
  const { fakes, caller } = await start(['default', 'go']);
  await caller.request({ path: '/a' });
  await caller.request({ path: '/b', runner: 'go' });
  await caller.response({ runner: 'go' });
  expect(fakes.map(({ requestCalls }) => requestCalls.map(({ path }) => path))).toEqual([
    ['/a'],
    ['/b'],
  ]);
  expect(fakes[1]?.responseCalls.length).toBe(1);
  expect(await caller.request({ runner: 'java' })).toEqual(
    failure(FailureReason.UNAVAILABLE, 'no runner is named "java" (polygate.runners)'),
  );
});

test('what a call brings along is answered without a question to the data plane', async () => {
  const { caller } = await start(['default'], {
    onRequestCall: async ({ id }, peer) => {
      const asked = await Promise.all([
        peer.ask({ kind: 'variable', name: 'unknown' }),
        peer.ask({ kind: 'variable', name: 'host' }),
        peer.ask({ kind: 'variable', name: 'gone' }),
        peer.ask({ kind: 'requestBody' }),
        peer.ask({ kind: 'responseBody' }),
      ]);
      const body = Buffer.from(JSON.stringify(asked.map((answer) => answer?.toString() ?? null)));
      peer.answer(id, { kind: 'stop', status: 200, headers: [], body });
    },
  });
  const questions: string[] = [];
  const known = {
    variables: [{ name: 'host', value: 'grün' }, { name: 'gone' }],
    requestBody: Buffer.from('body'),
    hasNoRequestBody: false,
    responseBody: Buffer.alloc(0),
  };
  const action = actionOf(
    await caller.request({ known }, (question) => {
      questions.push(question.$case === 'variable' ? question.value.name : question.$case);
      return Buffer.from('asked');
    }),
  );
  expect(action.$case === 'stop' && JSON.parse(action.value.body.toString())).toEqual([
    'asked',
    'grün',
    null,
    'body',
    '',
  ]);
  expect(questions).toEqual(['unknown']);
});

test('a conf that is held has its token before the first call, once for all streams', async () => {
  const { fake, caller, connect, runner } = await start(['default']);
  const other = connect();
  for (const stream of [caller, other, caller]) for (const n of [1, 2, 3]) hold(stream, conf(n));
  await vi.waitFor(() => expect(runner()).toMatchObject({ confsHeld: 3, confTokens: 3 }), waitFor);
  expect(fake.prepareRequests.length).toBe(3);
  await caller.request({ conf: conf(2) });
  expect(fake.prepareRequests.length).toBe(3);
  release(caller, conf(1));
  release(caller, conf(1));
  await caller.request({ conf: conf(2) });
  expect(runner().confsHeld).toBe(3);
  release(other, conf(1));
  await other.request({ conf: conf(2) });
  expect(runner().confsHeld).toBe(2);
  caller.close();
  other.close();
  await vi.waitFor(() => expect(runner().confsHeld).toBe(0), waitFor);
});

test('a token is renewed before it expires, while calls go on with the old one', async () => {
  const { fake, caller, runner } = await start(['default'], {}, { confTokenTtlMs: 1000 });
  hold(caller, conf(1));
  await vi.waitFor(() => expect(runner().confTokens).toBe(1), waitFor);
  await vi.waitFor(() => expect(fake.prepareRequests.length).toBeGreaterThanOrEqual(3), waitFor);
  const before = fake.prepareRequests.length;
  await caller.request({ conf: conf(1) });
  expect(fake.prepareRequests.length - before).toBeLessThanOrEqual(1);
});

test('a conf that the runner rejects fails its calls alone, with the words of the runner', async () => {
  const { fake, caller, log, runner } = await start(['default'], {
    onPrepareConf: ({ key }, peer) => {
      if (key === conf(1).key) peer.sendError(0);
      else peer.prepareConf(7);
    },
  });
  hold(caller, conf(1));
  hold(caller, conf(2));
  await vi.waitFor(() => expect(runner()).toMatchObject({ confsHeld: 2, confTokens: 1 }), waitFor);
  await vi.waitFor(() => {
    const why = 'failed to receive RPC_PREPARE_CONF: bad request';
    expect(log.join('\n')).toContain(`runner default did not take the conf ${conf(1).key}: ${why}`);
  }, waitFor);
  expect(await caller.request({ conf: conf(1) })).toEqual(
    failure(FailureReason.RUNNER_ERROR, 'failed to receive RPC_PREPARE_CONF: bad request'),
  );
  expect(actionOf(await caller.request({ conf: conf(2) })).$case).toBe('continue');
  expect(fake.requestCalls.length).toBe(1);
});

test('a call is sent again as often as it may be, and asks anew what it had asked', async () => {
  const { fake, caller } = await start(['default']);
  // one of them for the connection of the start, which may have died while nobody looked
  let left = 2;
  const dieOnce: FakeRunnerScript['onRequestCall'] = ({ id }, peer) => {
    left -= 1;
    if (left >= 0) peer.socket.destroy();
    else peer.answer(id);
  };
  fake.use({ onRequestCall: dieOnce });
  expect(await caller.request()).toMatchObject(failure(FailureReason.PROTOCOL, expect.anything()));
  left = 1;
  expect(await caller.request()).toMatchObject(failure(FailureReason.PROTOCOL, expect.anything()));
  left = 1;
  expect(actionOf(await caller.request({ retries: 1 })).$case).toBe('continue');

  fake.use({
    onRequestCall: async (_call, peer) => {
      await peer.ask({ kind: 'variable', name: 'host' });
      peer.socket.destroy();
    },
  });
  const before = fake.requestCalls.length;
  let asked = 0;
  const answer = (): Buffer => {
    asked += 1;
    return Buffer.from('x');
  };
  const lost = failure(FailureReason.PROTOCOL, expect.anything());
  expect(await caller.request({ retries: 0 }, answer)).toMatchObject(lost);
  expect([fake.requestCalls.length - before, asked]).toEqual([1, 1]);
  expect(await caller.request({ retries: 3 }, answer)).toMatchObject(lost);
  expect([fake.requestCalls.length - before, asked]).toEqual([1 + 4, 1 + 4]);
});

test('with two instances no call fails that may be sent again, though they are killed', async () => {
  const manager = await startTestManager({
    runner: { cmd: fakeRunnerCommand('continue') },
    config: { instances: 2 },
  });
  cleanups.push(() => manager.stop());
  const { caller, runner } = manager;
  const ready = () => runner().instances.filter(({ readySinceMs }) => readySinceMs > 0);
  await vi.waitFor(() => expect(ready().length).toBe(2), waitFor);
  let isOver = false;
  const failures: unknown[] = [];
  let calls = 0;
  const work = async (): Promise<void> => {
    while (!isOver) {
      const result = await caller.request({ retries: 2 });
      calls += 1;
      if (result.$case !== 'requestResult') failures.push(result.value);
    }
  };
  const workers = Array.from({ length: 16 }, work);
  for (let kills = 1; kills <= 3; kills += 1) {
    const before = calls;
    await vi.waitFor(() => expect(calls).toBeGreaterThan(before + 100), waitFor);
    process.kill(ready()[0]?.pid ?? 0, 'SIGKILL');
    await vi.waitFor(() => {
      expect(runner().recentRestarts.length).toBeGreaterThanOrEqual(kills);
      expect(ready().length).toBe(2);
    }, waitFor);
  }
  isOver = true;
  await Promise.all(workers);
  expect(failures).toEqual([]);
});

test('calls are counted by plugin, with their times', async () => {
  const { fake, caller, runner } = await start(['default']);
  for (let call = 0; call < 10; call += 1) await caller.request();
  fake.use({ onRequestCall: (_call, peer) => peer.sendError(1) });
  await caller.request();
  const [stats] = runner().pluginCalls;
  expect(stats).toMatchObject({ plugin: 'demo', calls: 11, failures: 1 });
  expect(stats?.p50Us).toBeGreaterThan(0);
  expect(stats?.p99Us).toBeGreaterThanOrEqual(stats?.p50Us ?? Infinity);
});

test('one stream cannot keep another waiting behind all its calls', async () => {
  const { caller, connect } = await start(
    ['default'],
    { onRequestCall: ({ id }, peer) => setTimeout(() => peer.answer(id), 5) },
    { connectionsMax: 1 },
  );
  await caller.request();
  const other = connect();
  const order: string[] = [];
  const greedy = Array.from({ length: 40 }, () => caller.request().then(() => order.push('a')));
  await vi.waitFor(() => expect(order.length).toBeGreaterThan(0), waitFor);
  await other.request().then(() => order.push('b'));
  expect(order.indexOf('b')).toBeLessThan(20);
  await Promise.all(greedy);
});

test('a recording has the exact frames of the calls that were chosen', async () => {
  const { fake, caller } = await start(['default'], {
    onRequestCall: async ({ id }, peer) => {
      await peer.ask({ kind: 'variable', name: 'host' });
      peer.answer(id, { kind: 'stop', status: 403, headers: [], body: Buffer.from('no') });
    },
  });
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const recording = caller.client.recordCalls({
    runner: '',
    plugin: 'demo',
    traceId,
    failedOnly: false,
    callsMax: 1,
  });
  const calls: RecordedCall[] = [];
  recording.on('data', ({ call }) => calls.push(call as RecordedCall));
  const ended = new Promise((resolve) => recording.on('end', resolve));
  const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
  await vi.waitFor(async () => {
    await caller.request({ path: '/other' }, () => Buffer.from('h'));
    await caller.request({ path: '/mine', traceparent }, () => Buffer.from('h'));
    expect(calls.length).toBe(1);
  }, waitFor);
  await ended;
  const [call] = calls as [RecordedCall];
  expect(call).toMatchObject({ runner: 'default', failure: '', conf: { plugins: [{}] } });
  const frames = call.frames.map(({ frame, isSent }) => {
    const [one] = new FrameDecoder().push(frame) as [Frame];
    return [isSent, one.type];
  });
  expect(frames).toEqual([
    [true, FrameType.HTTP_REQ_CALL],
    [false, FrameType.EXTRA_INFO],
    [true, FrameType.EXTRA_INFO],
    [false, FrameType.HTTP_REQ_CALL],
  ]);
  const times = call.frames.map(({ afterUs }) => afterUs);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  const recorded = fake.requestCalls.filter(({ path }) => path === '/mine');
  expect(recorded.length).toBeGreaterThanOrEqual(1);
});

test('a recording of failures leaves the rest out, and too many recordings are refused', async () => {
  const { fake, caller } = await start(['default']);
  const wanted = { runner: 'default', plugin: '', traceId: '', failedOnly: true, callsMax: 5 };
  const recording = caller.client.recordCalls(wanted);
  const calls: RecordedCall[] = [];
  recording.on('data', ({ call }) => calls.push(call as RecordedCall));
  recording.on('error', () => undefined);
  await vi.waitFor(async () => {
    fake.use({});
    await caller.request({ path: '/good' });
    fake.use({ onRequestCall: (_call, peer) => peer.sendError(1) });
    await caller.request({ path: '/bad' });
    expect(calls.length).toBeGreaterThan(0);
  }, waitFor);
  expect(calls[0]?.failure).toBe('failed to receive RPC_HTTP_REQ_CALL: service unavailable');
  const refused = (request: Partial<typeof wanted>) =>
    new Promise((resolve) => {
      caller.client.recordCalls({ ...wanted, ...request }).on('error', resolve);
    });
  expect(await refused({ runner: 'java' })).toMatchObject({ code: 5 });
  expect(await refused({ callsMax: 0 })).toMatchObject({ code: 3 });
  recording.cancel();
});

test('a thousand confs take little memory', async () => {
  const { caller, runner } = await start(['default']);
  await caller.request();
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  const value = 'x'.repeat(2000);
  for (let n = 0; n < 1000; n += 1) {
    hold(caller, { key: `route#${n}#x#1`, plugins: [{ name: 'demo', value: value + n }] });
  }
  await vi.waitFor(() => expect(runner().confTokens).toBe(1000), { timeout: 30_000, interval: 50 });
  // the fake runner of this process keeps as much again
  expect(process.memoryUsage().rss - before).toBeLessThan(2 * 64 * 1024 * 1024);
});
