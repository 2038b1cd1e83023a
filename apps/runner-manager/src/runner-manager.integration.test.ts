import { createHash, randomBytes } from 'node:crypto';
import { FailureReason, RunnerState, type Entry } from '@polygate/rpc';
import {
  buildGoRunner,
  hasGo,
  hasGoRunnerCheckout,
  hasPythonRunner,
  preparePythonRunner,
} from '@polygate/testing';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { isAlive, startTestManager, type TestManager } from './manager.fixture.ts';
import { actionOf, failure, HUNG_UP, type Answerer, type Result } from './stream-caller.fixture.ts';

const BUILD_MS_MAX = 600_000;
const waitFor = { timeout: 20_000, interval: 20 };

/** A conf of the demo plugin; the key follows the content, as the data plane's does. */
function demo(conf: object) {
  const value = JSON.stringify(conf);
  const version = createHash('sha1').update(value).digest('hex');
  const key = `route#1#ext-plugin-pre-req#${version}`;
  return { key, plugins: [{ name: 'rewrite-demo', value }] };
}

function rewriteOf(result: Result) {
  const action = actionOf(result);
  if (action.$case !== 'rewrite') throw new Error(`not a rewrite: ${action.$case}`);
  return action.value;
}

function stopOf(result: Result) {
  const action = actionOf(result);
  if (action.$case !== 'stop') throw new Error(`not a stop: ${action.$case}`);
  return action.value;
}

function valueOf(entries: readonly Entry[], name: string): string | undefined {
  return entries.find((entry) => entry.name.toLowerCase() === name)?.value;
}

const answerWith =
  (body: Buffer): Answerer =>
  (question) => {
    if (question.$case === 'requestBody' || question.$case === 'responseBody') return body;
    return question.value.name === 'missing' ? undefined : Buffer.from(`<${question.value.name}>`);
  };

describe.runIf(hasGo())('the Go runner', () => {
  let go: TestManager;

  beforeAll(async () => {
    go = await startTestManager({ runner: { cmd: await buildGoRunner() } });
  }, BUILD_MS_MAX);
  afterAll(async () => {
    const pid = go.instance().pid;
    await go.stop();
    expect(isAlive(pid)).toBe(false);
  });

  test('rewrites path, headers, arguments and response headers', async () => {
    const conf = demo({
      path: '/rewritten',
      set_headers: { 'X-Set': 'é', 'X-Gone': '' },
      set_args: { a: 'b c' },
      response_headers: { 'X-Resp': 'r' },
    });
    const headers = [{ name: 'x-gone', value: 'here' }];
    const { path, ...lists } = rewriteOf(await go.caller.request({ conf, headers }));
    expect(path).toBe('/rewritten');
    expect(valueOf(lists.headers, 'x-set')).toBe('é');
    expect(lists.headers.find(({ name }) => name.toLowerCase() === 'x-gone')).toEqual({
      name: 'X-Gone',
    });
    expect(lists.args).toEqual([{ name: 'a', value: 'b c' }]);
    expect(valueOf(lists.responseHeaders, 'x-resp')).toBe('r');
  });

  test('stops with status, headers and body', async () => {
    const conf = demo({ stop_status: 403, stop_headers: { 'X-Why': 'no' }, stop_body: 'denied' });
    const { status, headers, body } = stopOf(await go.caller.request({ conf }));
    expect([status, body.toString()]).toEqual([403, 'denied']);
    expect(valueOf(headers, 'x-why')).toBe('no');
  });

  test('reads variables; a missing one is empty', async () => {
    const conf = demo({ vars: ['remote_addr', 'missing', 'host'] });
    const { headers } = rewriteOf(await go.caller.request({ conf }, answerWith(Buffer.alloc(0))));
    expect(valueOf(headers, 'x-var-remote_addr')).toBe('<remote_addr>');
    expect(valueOf(headers, 'x-var-missing')).toBe('');
    expect(valueOf(headers, 'x-var-host')).toBe('<host>');
  });

  // 0.5.0 reads a frame with one `read`, which loses the rest of a large one; fixed since, but not
  // released.
  const bodySizes = hasGoRunnerCheckout() ? [1, 30_000, 100_000, 1e6, 16e6] : [1, 1000, 30_000];

  test.each(bodySizes)('reads a body of %i bytes', async (bodyBytes) => {
    const body = randomBytes(bodyBytes);
    const conf = demo({ digest_body: true });
    const { headers } = rewriteOf(await go.caller.request({ conf }, answerWith(body)));
    expect(valueOf(headers, 'x-body-bytes')).toBe(String(bodyBytes));
    const digest = createHash('sha256').update(body).digest('hex');
    expect(valueOf(headers, 'x-body-sha256')).toBe(digest);
  });

  test('a body of which it reads a part only is a failure, not "continue"', async () => {
    if (hasGoRunnerCheckout()) return;
    const conf = demo({ digest_body: true });
    expect(await go.caller.request({ conf }, answerWith(randomBytes(8_000_000)))).toMatchObject(
      failure(FailureReason.PROTOCOL, expect.stringContaining('answered before it had read')),
    );
    expect(actionOf(await go.caller.request({ conf: demo({}) })).$case).toBe('continue');
  });

  test('a conf without anything to do is "continue"; so is a plugin it does not know', async () => {
    expect(actionOf(await go.caller.request({ conf: demo({}) })).$case).toBe('continue');
    const conf = { key: 'route#9#x#1', plugins: [{ name: 'unknown', value: '' }] };
    expect(actionOf(await go.caller.request({ conf })).$case).toBe('continue');
  });

  test('changes a response: status, header, and a body it asks for', async () => {
    const conf = demo({ status: 207, response_headers: { 'X-R': '1' }, append_body: ' and more' });
    const result = await go.caller.response({ conf, status: 200 }, answerWith(Buffer.from('body')));
    if (result.$case !== 'responseResult') throw new Error(JSON.stringify(result));
    expect(result.value.status).toBe(207);
    expect(valueOf(result.value.headers, 'x-r')).toBe('1');
    expect(result.value.body.toString()).toBe('body and more');
  });

  test('takes 200 calls at a time, each with its own answer', async () => {
    const conf = demo({ vars: ['number'], sleep_ms: 20 });
    const calls = Array.from({ length: 200 }, async (_, number) => {
      const result = await go.caller.request({ conf }, () => Buffer.from(`${number}`));
      return valueOf(rewriteOf(result).headers, 'x-var-number');
    });
    expect(await Promise.all(calls)).toEqual(calls.map((_, number) => String(number)));
  });

  test('a slow plugin is a timeout, and the next call is fine', async () => {
    const slow = demo({ sleep_ms: 400 });
    expect(await go.caller.request({ conf: slow, timeoutMs: 60 })).toEqual(
      failure(FailureReason.TIMEOUT, 'failed to receive RPC_HTTP_REQ_CALL: timeout'),
    );
    expect(actionOf(await go.caller.request({ conf: demo({}) })).$case).toBe('continue');
  });

  test('killed in the middle of a call: the call fails, the next runner serves', async () => {
    const before = go.instance();
    const lost = go.caller.request({ conf: demo({ sleep_ms: 30_000 }) });
    await vi.waitFor(() => expect(go.instance().callsInFlight).toBe(1), waitFor);
    // long enough for the call to be with the plugin
    await new Promise((resolve) => setTimeout(resolve, 200));
    process.kill(before.pid, 'SIGKILL');
    expect(await lost).toEqual(failure(FailureReason.PROTOCOL, expect.stringMatching(HUNG_UP)));
    await vi.waitFor(() => {
      expect(go.instance()).toMatchObject({
        state: RunnerState.READY,
        restarts: before.restarts + 1,
      });
    }, waitFor);
    const conf = demo({ path: '/again' });
    expect(rewriteOf(await go.caller.request({ conf })).path).toBe('/again');
  });

  test('what it prints is in the log', () => {
    expect(go.log.some((line) => /^warn: .*listening to .*runner-/.test(line))).toBe(true);
  });
});

describe.runIf(hasPythonRunner())('the Python runner', () => {
  let python: TestManager;

  beforeAll(async () => {
    const cmd = await preparePythonRunner();
    python = await startTestManager({ runner: { cmd }, limits: { startWaitMs: 20_000 } });
  }, BUILD_MS_MAX);
  afterAll(async () => {
    const pid = python.instance().pid;
    await python.stop();
    expect(isAlive(pid)).toBe(false);
  });

  test('rewrites path, headers and arguments, and reads variables and a body', async () => {
    const conf = demo({
      path: '/from/python',
      set_headers: { 'X-Set': 'v' },
      set_args: { a: 'b' },
      vars: ['remote_addr'],
      digest_body: true,
    });
    const body = randomBytes(1000);
    const { path, headers, args } = rewriteOf(
      await python.caller.request({ conf }, answerWith(body)),
    );
    expect(path).toBe('/from/python');
    expect(args).toEqual([{ name: 'a', value: 'b' }]);
    expect(valueOf(headers, 'x-set')).toBe('v');
    expect(valueOf(headers, 'x-var-remote_addr')).toBe('<remote_addr>');
    expect(valueOf(headers, 'x-body-bytes')).toBe('1000');
    const digest = createHash('sha256').update(body).digest('hex');
    expect(valueOf(headers, 'x-body-sha256')).toBe(digest);
  });

  test('stops with status, headers and body', async () => {
    const conf = demo({ stop_status: 401, stop_headers: { 'X-Why': 'no' }, stop_body: 'denied' });
    const { status, headers, body } = stopOf(await python.caller.request({ conf }));
    expect([status, body.toString()]).toEqual([401, 'denied']);
    expect(valueOf(headers, 'x-why')).toBe('no');
  });

  test('a plugin that raises fails the call; APISIX would let the request through', async () => {
    const conf = demo({ raise: 'no database' });
    expect(await python.caller.request({ conf })).toMatchObject(
      failure(FailureReason.PROTOCOL, expect.stringContaining('unexpected id 0')),
    );
    expect(await python.caller.request({ conf: demo({ stop_status: 200 }) })).toBeDefined();
  });

  test('takes 50 calls at a time, each with its own answer', async () => {
    const conf = demo({ vars: ['number'] });
    const calls = Array.from({ length: 50 }, async (_, number) => {
      const result = await python.caller.request({ conf }, () => Buffer.from(`n${number}`));
      return valueOf(rewriteOf(result).headers, 'x-var-number');
    });
    expect(await Promise.all(calls)).toEqual(calls.map((_, number) => `n${number}`));
  });
});
