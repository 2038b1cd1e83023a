import { FailureReason, RunnerState } from '@polygate/rpc';
import {
  encodeErrorResponse,
  encodeFrame,
  encodeHttpReqCallResponse,
  FrameType,
} from '@polygate/runner-protocol';
import { startFakeRunner, type FakeRunner, type FakeRunnerScript } from '@polygate/testing';
import { afterEach, expect, test, vi } from 'vitest';
import type { RunnerLimits } from './manager-options.ts';
import { startTestManager, type TestManager } from './manager.fixture.ts';
import { actionOf, DEFAULT_REQUEST, failure } from './stream-caller.fixture.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const noBytes = Buffer.alloc(0);
const waitFor = { timeout: 10_000, interval: 10 };

async function start(
  script: FakeRunnerScript = {},
  limits: Partial<RunnerLimits> = {},
  requiresReplyId = true,
): Promise<{ fake: FakeRunner } & TestManager> {
  const fake = await startFakeRunner(script);
  cleanups.push(() => fake.close());
  const { socketPath } = fake;
  const manager = await startTestManager({ runner: { socketPath, requiresReplyId }, limits });
  cleanups.push(() => manager.stop());
  return { fake, ...manager };
}

test('a call reaches the runner with all it carries; its conf goes before it once', async () => {
  const { fake, caller } = await start();
  const call = {
    method: 'PATCH',
    path: '/a b',
    args: [{ name: 'flag' }, { name: 'empty', value: '' }],
    headers: [
      { name: 'x-a', value: '1' },
      { name: 'x-a', value: '2' },
    ],
    sourceIp: Buffer.from('20010db8000000000000000000000001', 'hex'),
  };
  expect(actionOf(await caller.request(call))).toEqual({ $case: 'continue', value: {} });
  await caller.request(call);
  expect(fake.prepareRequests).toEqual([
    { key: 'route#1#ext-plugin-pre-req#1', conf: [{ name: 'demo', value: '{}' }] },
  ]);
  const [first, second] = fake.requestCalls;
  const { sourceIp: srcIp, ...same } = call;
  expect(first).toMatchObject({ ...same, srcIp, confToken: 1 });
  expect(first!.id).toBeGreaterThanOrEqual(1);
  expect(second!.id).not.toBe(first!.id);
});

test('stop and rewrite come back whole', async () => {
  const rewrite = {
    path: '/new',
    headers: [{ name: 'x-set', value: 'v' }, { name: 'x-delete' }],
    args: [{ name: 'a', value: 'b' }],
    body: Buffer.from('body'),
  };
  const respHeaders = [{ name: 'x-r', value: 'r' }];
  const headers = [{ name: 'x-s', value: 's' }];
  const { caller } = await start({
    onRequestCall: ({ id, path }, peer) =>
      path === '/stop'
        ? peer.answer(id, { kind: 'stop', status: 418, headers, body: Buffer.from('tea') })
        : peer.answer(id, { kind: 'rewrite', ...rewrite, respHeaders }),
  });
  expect(actionOf(await caller.request({ path: '/stop' }))).toEqual({
    $case: 'stop',
    value: { status: 418, headers, body: Buffer.from('tea') },
  });
  expect(actionOf(await caller.request({ path: '/other' }))).toMatchObject({
    $case: 'rewrite',
    value: { ...rewrite, responseHeaders: respHeaders },
  });
});

test('a response call reaches the runner, whose answer needs no id', async () => {
  const { fake, caller } = await start({
    onResponseCall: (_request, peer) => peer.answerResponse(0, 201, Buffer.from('new')),
  });
  const headers = [{ name: 'server', value: 'up' }];
  expect(await caller.response({ status: 502, headers })).toEqual({
    $case: 'responseResult',
    value: { status: 201, headers: [], body: Buffer.from('new') },
  });
  expect(fake.responseCalls).toMatchObject([{ status: 502, headers, confToken: 1 }]);
});

test('questions asked at once are answered in the order of asking', async () => {
  const { caller } = await start({
    onRequestCall: async ({ id }, peer) => {
      const answers = await Promise.all([
        peer.ask({ kind: 'variable', name: 'a' }),
        peer.ask({ kind: 'requestBody' }),
        peer.ask({ kind: 'variable', name: 'missing' }),
        peer.ask({ kind: 'responseBody' }),
      ]);
      const body = Buffer.from(JSON.stringify(answers.map((answer) => answer?.toString() ?? null)));
      peer.answer(id, { kind: 'stop', status: 200, headers: [], body });
    },
  });
  const action = actionOf(
    await caller.request({}, (question) => {
      if (question.$case !== 'variable') return Buffer.from(question.$case);
      return question.value.name === 'missing' ? undefined : Buffer.from(question.value.name);
    }),
  );
  expect(action.$case === 'stop' && action.value.body.toString()).toBe(
    '["a","requestBody",null,"responseBody"]',
  );
});

test('more open questions than allowed end the call', async () => {
  const ask = { kind: 'variable', name: 'x' } as const;
  const { caller } = await start(
    { onRequestCall: (_call, peer) => void Array.from({ length: 9 }, () => peer.ask(ask)) },
    { openQuestionsMax: 8 },
  );
  expect(await caller.request()).toMatchObject(
    failure(FailureReason.PROTOCOL, expect.stringContaining('failed to handle RPC_EXTRA_INFO')),
  );
});

test('a second answer to PrepareConf, as Java sends it, disturbs nothing', async () => {
  const { fake, caller } = await start({
    onPrepareConf: (_request, peer) => {
      peer.prepareConf(77);
      peer.prepareConf(77);
    },
  });
  for (let call = 0; call < 5; call++) {
    expect(actionOf(await caller.request()).$case).toBe('continue');
  }
  expect(fake.prepareRequests.length).toBe(1);
  expect(fake.requestCalls.map(({ confToken }) => confToken)).toEqual([77, 77, 77, 77, 77]);
});

test('an answer in single bytes is put together', async () => {
  const { caller } = await start({
    onRequestCall: async ({ id }, peer) => {
      const payload = encodeHttpReqCallResponse({ id, action: { kind: 'continue' } });
      for (const byte of encodeFrame(FrameType.HTTP_REQ_CALL, payload)) {
        peer.sendBytes(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  });
  expect(actionOf(await caller.request()).$case).toBe('continue');
});

test('token 0 is a token', async () => {
  const { fake, caller } = await start({ onPrepareConf: (_request, peer) => peer.prepareConf(0) });
  await caller.request();
  await caller.request();
  expect(fake.prepareRequests.length).toBe(1);
  expect(fake.requestCalls[1]?.confToken).toBe(0);
});

const received = 'failed to receive RPC_HTTP_REQ_CALL: ';

test.each<[string, FakeRunnerScript['onRequestCall'], number, string]>([
  ['garbage', (_r, p) => p.sendBytes(Buffer.from([2, 0, 0, 3, 9, 9, 9])), 2, 'malformed message'],
  ['an unknown type', (_r, p) => p.send(200, noBytes), 2, 'unexpected type 200'],
  ['the type of another call', (_r, p) => p.answerResponse(1, 200), 2, 'unexpected type 4'],
  ['another id', ({ id }, p) => p.answer(id + 1), 2, 'unexpected id'],
  [
    // server.py: errors go out under the type of the request, and BAD_REQUEST is all defaults
    'the error of a Python runner',
    (_r, p) => p.send(FrameType.HTTP_REQ_CALL, encodeErrorResponse({ code: 0 })),
    2,
    'unexpected id 0',
  ],
  ['an error', (_r, p) => p.sendError(1), 3, 'service unavailable'],
  ['an end', (_r, p) => p.socket.end(), 2, 'closed'],
  ['half a frame', (_r, p) => p.socket.end(Buffer.from([2, 0, 1, 0, 1])), 2, 'data truncated'],
])(
  '%s from the runner fails the call, and the next one is fine',
  async (_name, bad, reason, why) => {
    const { fake, caller } = await start({ onRequestCall: bad });
    expect(await caller.request()).toMatchObject(
      failure(reason as FailureReason, expect.stringContaining(received + why)),
    );
    fake.use({});
    expect(actionOf(await caller.request()).$case).toBe('continue');
  },
);

test('an answer without an id passes where the runner is not held to it', async () => {
  const { fake, caller } = await start({ onRequestCall: (_r, p) => p.answer(0) }, {}, false);
  expect(actionOf(await caller.request()).$case).toBe('continue');
  fake.use({ onRequestCall: ({ id }, p) => p.answer(id + 1) });
  expect(await caller.request()).toMatchObject(
    failure(FailureReason.PROTOCOL, expect.stringContaining('unexpected id')),
  );
});

test('an empty error frame and an unexpected answer to PrepareConf are named', async () => {
  const { fake, caller } = await start({
    onPrepareConf: (_request, peer) => peer.send(FrameType.HTTP_REQ_CALL, noBytes),
  });
  expect(await caller.request()).toEqual(
    failure(FailureReason.PROTOCOL, 'failed to receive RPC_PREPARE_CONF: unexpected type 2'),
  );
  fake.use({ onPrepareConf: (_request, peer) => peer.sendError(0) });
  expect(await caller.request()).toEqual(
    failure(FailureReason.RUNNER_ERROR, 'failed to receive RPC_PREPARE_CONF: bad request'),
  );
  fake.use({ onPrepareConf: (_request, peer) => peer.send(FrameType.ERROR, noBytes) });
  expect(await caller.request()).toMatchObject(
    failure(FailureReason.PROTOCOL, expect.stringContaining('RPC_PREPARE_CONF: malformed')),
  );
});

test('bytes after the answer cost the connection, not the answer', async () => {
  const { fake, caller } = await start({
    onRequestCall: ({ id }, peer) => {
      const payload = encodeHttpReqCallResponse({ id, action: { kind: 'continue' } });
      const frame = encodeFrame(FrameType.HTTP_REQ_CALL, payload);
      peer.sendBytes(Buffer.concat([frame, Buffer.from([1, 0])]));
    },
  });
  expect(actionOf(await caller.request()).$case).toBe('continue');
  await vi.waitFor(() => expect(fake.connectionsOpen).toBe(0), waitFor);
  expect(actionOf(await caller.request()).$case).toBe('continue');
});

test('a connection is used again; one that died while idle is replaced unseen', async () => {
  const { fake, caller } = await start();
  await caller.request();
  await caller.request();
  const before = fake.connectionsTotal;
  await caller.request();
  expect(fake.connectionsTotal).toBe(before);
  fake.hangUp();
  expect(actionOf(await caller.request()).$case).toBe('continue');
});

test('a used connection that dies unanswered is tried once more, on a fresh one', async () => {
  const { fake, caller } = await start();
  await caller.request();
  // hangs up when the call is there, as a runner whose idle time ended in that moment
  fake.use({
    onRequestCall: ({ id }, peer) =>
      peer.framesReceived > 1 ? peer.socket.destroy() : peer.answer(id),
  });
  expect(actionOf(await caller.request()).$case).toBe('continue');
  fake.use({ onRequestCall: (_call, peer) => peer.socket.destroy() });
  expect(await caller.request()).toEqual(failure(FailureReason.PROTOCOL, `${received}closed`));
  expect(fake.requestCalls.length).toBeLessThanOrEqual(1 + 2 + 2);
});

test('a call that got any byte is not tried again', async () => {
  const { fake, caller } = await start();
  await caller.request();
  fake.use({ onRequestCall: (_call, peer) => peer.socket.end(Buffer.from([2])) });
  expect(await caller.request()).toMatchObject(failure(FailureReason.PROTOCOL, expect.anything()));
  expect(fake.requestCalls.length).toBe(2);
});

test('an unknown token is obtained anew, three times at most, and alone', async () => {
  const { fake, caller } = await start();
  const other = { conf: { key: 'route#2#x#1', plugins: [] } };
  await caller.request();
  await caller.request(other);
  fake.use({
    onRequestCall: ({ id, confToken }, peer) =>
      confToken === 1 ? peer.sendError(2) : peer.answer(id),
  });
  expect(actionOf(await caller.request()).$case).toBe('continue');
  expect(fake.prepareRequests.map(({ key }) => key)).toEqual([
    'route#1#ext-plugin-pre-req#1',
    'route#2#x#1',
    'route#1#ext-plugin-pre-req#1',
  ]);
  await caller.request(other);
  expect(fake.prepareRequests.length).toBe(3);

  fake.use({ onRequestCall: (_call, peer) => peer.sendError(2) });
  const calls = fake.requestCalls.length;
  expect(await caller.request()).toEqual(
    failure(FailureReason.RUNNER_ERROR, `${received}conf token not found`),
  );
  expect(fake.requestCalls.length - calls).toBe(3);
});

test('many first calls of one conf ask for its token once', async () => {
  const { fake, caller } = await start();
  const results = await Promise.all(Array.from({ length: 100 }, () => caller.request()));
  expect(results.every((result) => actionOf(result).$case === 'continue')).toBe(true);
  expect(fake.prepareRequests.length).toBe(1);
});

test('a runner that does not answer is a timeout, and its connection is cut', async () => {
  const { fake, caller } = await start({ onRequestCall: () => undefined });
  expect(await caller.request({ timeoutMs: 60 })).toEqual(
    failure(FailureReason.TIMEOUT, `${received}timeout`),
  );
  await vi.waitFor(() => expect(fake.connectionsOpen).toBe(0), waitFor);
});

test('a cancelled call cuts its connection and is not answered', async () => {
  const { fake, caller } = await start({ onRequestCall: () => undefined });
  let answered = false;
  void caller.request().then(() => (answered = true));
  await vi.waitFor(() => expect(fake.requestCalls.length).toBe(1), waitFor);
  caller.send({ callId: caller.lastCallId, frame: { $case: 'cancelCall', value: {} } });
  await vi.waitFor(() => expect(fake.connectionsOpen).toBe(0), waitFor);
  fake.use({});
  await caller.request();
  expect(answered).toBe(false);
});

test('the end of a stream ends its calls, and those only', async () => {
  const answers = new Map<string, () => void>();
  const { fake, caller, connect, manager } = await start({
    onRequestCall: ({ id, path }, peer) => answers.set(path, () => peer.answer(id)),
  });
  const other = connect();
  void caller.request();
  const kept = other.request({ path: '/kept' });
  await vi.waitFor(() => expect(fake.requestCalls.length).toBe(2), waitFor);
  expect(manager.listRunners()[0]?.callsInFlight).toBe(2);
  caller.close();
  await vi.waitFor(() => expect(fake.connectionsOpen).toBe(1), waitFor);
  expect(manager.listRunners()[0]?.callsInFlight).toBe(1);
  answers.get('/kept')?.();
  expect(actionOf(await kept).$case).toBe('continue');
});

test('calls above the connections wait, and above the queue are refused', async () => {
  const { fake, caller } = await start(
    { onRequestCall: ({ id }, peer) => setTimeout(() => peer.answer(id), 50) },
    { connectionsMax: 2, waitingCallsMax: 3 },
  );
  await caller.request();
  const results = await Promise.all(Array.from({ length: 8 }, () => caller.request()));
  const refused = results.filter((result) => result.$case === 'callFailure');
  expect(refused.length).toBe(3);
  for (const result of refused) {
    expect(result).toMatchObject(failure(FailureReason.OVERLOADED, expect.anything()));
  }
  expect(fake.connectionsOpen).toBeLessThanOrEqual(2);
});

test('calls above the limit of a stream are refused', async () => {
  const { caller } = await start({ onRequestCall: () => undefined }, { callsPerStreamMax: 2 });
  void caller.request();
  void caller.request();
  expect(await caller.request()).toMatchObject(
    failure(FailureReason.OVERLOADED, expect.stringContaining('2 calls are in flight')),
  );
});

test('what the protocol cannot carry is refused before it is sent', async () => {
  const { fake, caller } = await start();
  for (const method of ['PURGE', 'CONNECT', 'get', '']) {
    expect(await caller.request({ method })).toMatchObject(
      failure(FailureReason.INVALID_CALL, expect.stringContaining('failed to send')),
    );
  }
  expect(await caller.request({ sourceIp: Buffer.alloc(5) })).toMatchObject(
    failure(FailureReason.INVALID_CALL, expect.stringContaining('source_ip has 5 bytes')),
  );
  expect(await caller.request({ conf: undefined })).toMatchObject(
    failure(FailureReason.INVALID_CALL, 'the call has no conf'),
  );
  const path = 'x'.repeat(16_777_216);
  expect(await caller.request({ path })).toMatchObject(
    failure(FailureReason.INVALID_CALL, expect.stringContaining('the max length of data is')),
  );
  expect(fake.requestCalls).toEqual([]);
});

test('a body of 16 MiB is too large for an answer to a question', async () => {
  const { caller } = await start({
    onRequestCall: async ({ id }, peer) => {
      await peer.ask({ kind: 'requestBody' });
      peer.answer(id);
    },
  });
  expect(await caller.request({}, () => Buffer.alloc(16_777_216))).toMatchObject(
    failure(
      FailureReason.PROTOCOL,
      expect.stringContaining('failed to reply RPC_EXTRA_INFO: the max length of data is 16777215'),
    ),
  );
  expect(actionOf(await caller.request({}, () => Buffer.alloc(16_000_000))).$case).toBe('continue');
});

test('a connection that carried a large frame is not used again', async () => {
  const { fake, caller } = await start({
    onRequestCall: async ({ id }, peer) => {
      await peer.ask({ kind: 'requestBody' });
      peer.answer(id);
    },
  });
  await caller.request({}, () => Buffer.alloc(1000));
  const before = fake.connectionsTotal;
  await caller.request({}, () => Buffer.alloc(40_000));
  expect(fake.connectionsTotal).toBe(before);
  await vi.waitFor(() => expect(fake.connectionsOpen).toBe(0), waitFor);
  await caller.request({}, () => Buffer.alloc(1000));
  expect(fake.connectionsTotal).toBe(before + 1);
});

test('a runner that answers without reading the body it asked for fails the call', async () => {
  const { caller } = await start({
    onRequestCall: ({ id }, peer) => {
      void peer.ask({ kind: 'requestBody' });
      // after the first piece of the body: the rest is more than the system holds for a socket
      peer.socket.once('data', () => {
        peer.socket.pause();
        peer.answer(id);
      });
    },
  });
  expect(await caller.request({}, () => Buffer.alloc(8_000_000))).toMatchObject(
    failure(FailureReason.PROTOCOL, expect.stringContaining('answered before it had read')),
  );
});

test('an answer that outgrows a message fails that call alone', async () => {
  const { fake, caller } = await start({
    onRequestCall: async ({ id }, peer) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      // 0xff is no UTF-8: each byte becomes three
      const value = Buffer.alloc(9_000_000, 0x61);
      const action = { kind: 'stop', status: 200, body: noBytes } as const;
      const headers = [{ name: 'x', value: value.toString('latin1') }];
      const payload = encodeHttpReqCallResponse({ id, action: { ...action, headers } });
      peer.send(
        FrameType.HTTP_REQ_CALL,
        payload.map((byte) => (byte === 0x61 ? 0xff : byte)),
      );
    },
  });
  expect(await caller.request()).toMatchObject(
    failure(FailureReason.PROTOCOL, expect.stringContaining('fit a message')),
  );
  fake.use({});
  expect(actionOf(await caller.request()).$case).toBe('continue');
});

test('a call_id used twice breaks the stream, and that stream only', async () => {
  const { caller, connect } = await start({ onRequestCall: () => undefined });
  const first = caller.request();
  const { lastCallId: callId } = caller;
  caller.send({ callId, frame: { $case: 'requestCall', value: DEFAULT_REQUEST } });
  await expect(first).rejects.toMatchObject({ status: 'INVALID_ARGUMENT' });
  const other = connect();
  expect(await other.request({ method: 'NONE' })).toMatchObject({ $case: 'callFailure' });
});

test('answers of one turn share a message', async () => {
  const { caller } = await start({}, { connectionsMax: 64 });
  const callMany = () => Promise.all(Array.from({ length: 64 }, () => caller.request()));
  await callMany();
  const before = caller.messagesReceived;
  await callMany();
  expect(caller.messagesReceived - before).toBeLessThan(32);
});

test('a runner that is not there is named with its socket', async () => {
  const { caller, manager, stop } = await startTestManager({
    runner: { socketPath: '/nonexistent/r.sock' },
  });
  cleanups.push(stop);
  const message =
    'failed to connect to the unix socket unix:/nonexistent/r.sock: no such file or directory';
  expect(await caller.request()).toEqual(failure(FailureReason.UNAVAILABLE, message));
  expect(manager.listRunners()).toMatchObject([
    { name: 'default', state: RunnerState.READY, instances: [{ pid: 0, lastError: message }] },
  ]);
});

test('without a runner every call is UNAVAILABLE', async () => {
  const { caller, manager, stop } = await startTestManager({ runner: undefined });
  cleanups.push(stop);
  expect(await caller.request()).toMatchObject(
    failure(FailureReason.UNAVAILABLE, expect.stringContaining('no runner is configured')),
  );
  expect(manager.listRunners()).toEqual([]);
});
