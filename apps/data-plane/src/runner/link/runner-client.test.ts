import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryLog } from '@polygate/testing';
import { FailureReason } from '@polygate/rpc';
import type { DataPlaneFrame, ManagerFrame } from '@polygate/rpc';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ask } from './calls.harness.ts';
import { connectRunnerManagers, type RunnerClientOptions } from './runner-client.ts';
import { continueFrame, startScriptedManager, type ScriptedManager } from '../scripted-manager.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function unixAddress(): string {
  const directory = mkdtempSync(join(tmpdir(), 'polygate-runner-client-'));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  return `unix:${join(directory, 'manager.sock')}`;
}

async function startManager(address?: string): Promise<ScriptedManager> {
  const manager = await startScriptedManager(address ?? unixAddress());
  cleanups.push(() => manager.stop());
  return manager;
}

function connect(address: string, options: Partial<RunnerClientOptions> = {}) {
  const log = memoryLog();
  const backoffMs = { min: 5, max: 20 };
  const client = connectRunnerManagers({ addresses: [address], log, backoffMs, ...options });
  cleanups.push(() => client.close());
  return { client, log };
}

async function connected(options: Partial<RunnerClientOptions> = {}) {
  const manager = await startManager();
  const { client, log } = connect(manager.address, options);
  await vi.waitFor(() => expect(client.connected).toBe(true), 10_000);
  return { manager, client, log };
}

const variable = (name: string): ManagerFrame['frame'] => ({
  $case: 'extraInfoQuestion',
  value: { info: { $case: 'variable', value: { name } } },
});
const casesOf = (frames: readonly DataPlaneFrame[]) => frames.map(({ frame }) => frame?.$case);

describe('calls', () => {
  test('of one turn travel in one message, and each gets its own answer', async () => {
    const { manager, client } = await connected();
    // Answered in the reverse order.
    manager.onMessage = (frames, reply) =>
      reply(
        frames.toReversed().map(({ callId, frame }) => ({
          callId,
          frame: {
            $case: 'requestResult',
            value: {
              action: {
                $case: 'stop',
                value: {
                  status: 200,
                  headers: [],
                  body: Buffer.from(frame?.$case === 'requestCall' ? frame.value.path : '?'),
                },
              },
            },
          },
        })),
      );
    const paths = Array.from({ length: 50 }, (_, i) => `/${i}`);
    const results = await Promise.all(paths.map((path) => ask(client, path)));
    expect(
      results.map(({ action }) => action?.$case === 'stop' && action.value.body.toString()),
    ).toEqual(paths);
    expect(manager.messages).toHaveLength(1);
    expect(client.callsInFlight).toBe(0);
  });

  test('tell the manager how long they may take', async () => {
    const { manager, client } = await connected();
    manager.onMessage = (frames, reply) => reply(frames.map(continueFrame));
    await ask(client, '/', { timeoutMs: 1_234 });
    expect(manager.frames()[0]?.frame).toMatchObject({ value: { timeoutMs: 1_234 } });
  });

  test('are refused when too many are in flight', async () => {
    const { client } = await connected({ callsInFlightMax: 2 });
    const first = [ask(client), ask(client)];
    await expect(ask(client)).rejects.toMatchObject({
      code: 'RUNNER_OVERLOADED',
      message: expect.stringContaining('overloaded'),
    });
    client.close();
    expect((await Promise.allSettled(first)).map(({ status }) => status)).toEqual([
      'rejected',
      'rejected',
    ]);
  });

  test('that do not fit a message are refused and leave the stream whole', async () => {
    const { manager, client } = await connected();
    manager.onMessage = (frames, reply) => reply(frames.map(continueFrame));
    await expect(ask(client, `/${'ä'.repeat(9 << 20)}`)).rejects.toMatchObject({
      code: 'RUNNER_FAILED',
    });
    await ask(client, `/${'ä'.repeat(5 << 20)}`);
    expect(manager.streams).toBe(1);
  });

  test.each([
    ['UNAVAILABLE', 'RUNNER_UNAVAILABLE'],
    ['OVERLOADED', 'RUNNER_OVERLOADED'],
    ['PROTOCOL', 'RUNNER_FAILED'],
    ['RUNNER_ERROR', 'RUNNER_FAILED'],
    ['INVALID_CALL', 'RUNNER_FAILED'],
    ['UNSPECIFIED', 'RUNNER_FAILED'],
    ['TIMEOUT', 'RUNNER_TIMEOUT'],
  ] as const)('that the manager fails with %s reject with %s', async (reason, code) => {
    const { manager, client } = await connected();
    manager.onMessage = (frames, reply) =>
      reply(
        frames.map(({ callId }) => ({
          callId,
          frame: {
            $case: 'callFailure',
            value: { reason: FailureReason[reason], message: 'what the manager says' },
          },
        })),
      );
    await expect(ask(client)).rejects.toMatchObject({
      code,
      message: 'what the manager says',
    });
  });

  test('that get an answer to something else fail', async () => {
    const { manager, client } = await connected();
    manager.onMessage = (frames, reply) =>
      reply(
        frames.map(({ callId }) => ({
          callId,
          frame: {
            $case: 'responseResult',
            value: { status: 0, headers: [], body: Buffer.alloc(0) },
          },
        })),
      );
    await expect(ask(client)).rejects.toMatchObject({
      code: 'RUNNER_FAILED',
    });
  });

  test('that nobody answers time out and are cancelled', async () => {
    const { manager, client } = await connected();
    await expect(ask(client, '/', { timeoutMs: 1 })).rejects.toMatchObject({
      code: 'RUNNER_TIMEOUT',
    });
    await vi.waitFor(() =>
      expect(casesOf(manager.frames())).toEqual(['requestCall', 'cancelCall']),
    );
    expect(manager.frames()[1]?.callId).toBe(manager.frames()[0]?.callId);
  });

  test('are cancelled when the client goes away, and a late answer does no harm', async () => {
    const { manager, client } = await connected();
    manager.onMessage = (frames, reply) => {
      const cancelled = frames.filter(({ frame }) => frame?.$case === 'cancelCall');
      reply(cancelled.map(continueFrame));
    };
    const controller = new AbortController();
    const result = ask(client, '/', { signal: controller.signal });
    await vi.waitFor(() => expect(manager.frames()).toHaveLength(1));
    controller.abort();
    await expect(result).rejects.toMatchObject({ code: 'REQUEST_ABORTED' });
    await vi.waitFor(() => expect(manager.frames()).toHaveLength(2));
    await expect(ask(client, '/', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'REQUEST_ABORTED',
    });
    manager.onMessage = (frames, reply) => reply(frames.map(continueFrame));
    await ask(client);
    expect(manager.streams).toBe(1);
  });

  test('never share a number while they are in flight', async () => {
    const { manager, client } = await connected();
    const results = Array.from({ length: 100 }, () => ask(client));
    await vi.waitFor(() => expect(manager.frames()).toHaveLength(100));
    expect(new Set(manager.frames().map(({ callId }) => callId)).size).toBe(100);
    client.close();
    await Promise.allSettled(results);
  });
});

describe('questions', () => {
  test('are answered in the order of asking, whatever is found first', async () => {
    const { manager, client } = await connected();
    manager.onMessage = (frames, reply) => {
      const { callId, frame } = frames[0] as DataPlaneFrame;
      if (frame?.$case === 'requestCall') {
        reply(['slow', 'quick', 'none'].map((name) => ({ callId, frame: variable(name) })));
      }
      const answers = manager.frames().filter((one) => one.frame?.$case === 'extraInfoAnswer');
      if (answers.length === 3) reply([continueFrame({ callId })]);
    };
    const slow = Promise.withResolvers<Buffer>();
    const asked: string[] = [];
    await ask(client, '/', {
      answer: ({ info }) => {
        const name = info?.$case === 'variable' ? info.value.name : '';
        asked.push(name);
        if (name === 'slow') return slow.promise;
        if (name === 'none') setImmediate(() => slow.resolve(Buffer.from('slow')));
        return Promise.resolve(name === 'none' ? undefined : Buffer.from(name));
      },
    });
    expect(asked).toEqual(['slow', 'quick', 'none']);
    const answers = manager.frames().slice(1);
    expect(
      answers.map(({ frame }) =>
        frame?.$case === 'extraInfoAnswer' ? frame.value.result?.toString() : frame,
      ),
    ).toEqual(['slow', 'quick', undefined]);
  });

  test('that cannot be answered fail the call with their error, and cancel it', async () => {
    const { manager, client } = await connected();
    manager.onMessage = (frames, reply) =>
      reply(frames.map(({ callId }) => ({ callId, frame: variable('a') })));
    const failure = new Error('no luck');
    await expect(ask(client, '/', { answer: () => Promise.reject(failure) })).rejects.toMatchObject(
      { code: 'RUNNER_FAILED', cause: failure },
    );
    await vi.waitFor(() =>
      expect(casesOf(manager.frames())).toEqual(['requestCall', 'cancelCall']),
    );
  });

  test('without end fail the call', async () => {
    const { manager, client } = await connected();
    manager.onMessage = (frames, reply) =>
      reply(Array(65).fill({ callId: frames[0]!.callId, frame: variable('a') }));
    await expect(
      ask(client, '/', { answer: () => new Promise(() => undefined) }),
    ).rejects.toMatchObject({ code: 'RUNNER_FAILED' });
  });

  test('carry bodies of many megabytes at once', async () => {
    const { manager, client } = await connected();
    const body = Buffer.alloc(0xff_ffff, 'b');
    let seenBytes = 0;
    manager.onMessage = (frames, reply) => {
      for (const { callId, frame } of frames) {
        if (frame?.$case === 'requestCall') reply([{ callId, frame: variable('a') }]);
        if (frame?.$case === 'extraInfoAnswer') {
          seenBytes += frame.value.result?.length ?? 0;
          reply([continueFrame({ callId })]);
        }
      }
    };
    const one = () => ask(client, '/', { answer: () => Promise.resolve(body) });
    await Promise.all([one(), one(), one(), one()]);
    expect(seenBytes).toBe(4 * body.length);
    expect(manager.streams).toBe(1);
  });
});

describe('the connection', () => {
  test('is waited for when the manager comes a little later', async () => {
    const address = unixAddress();
    const { client } = connect(address, { connectWaitMs: 20_000 });
    const result = ask(client);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const manager = await startManager(address);
    manager.onMessage = (frames, reply) => reply(frames.map(continueFrame));
    expect(await result).toMatchObject({ action: { $case: 'continue' } });
  });

  test('is not waited for beyond its time', async () => {
    const { client } = connect(unixAddress(), { connectWaitMs: 20 });
    await expect(ask(client)).rejects.toMatchObject({
      code: 'RUNNER_UNAVAILABLE',
      message: 'there is no connection to the runner manager',
    });
    expect(client.callsInFlight).toBe(0);
  });

  test('fails all calls at once when it breaks, and comes back', async () => {
    const { manager, client, log } = await connected();
    const results = [ask(client), ask(client)];
    await vi.waitFor(() => expect(manager.frames()).toHaveLength(2));
    manager.breakStreams();
    for (const result of await Promise.allSettled(results)) {
      expect(result).toMatchObject({
        reason: {
          code: 'RUNNER_UNAVAILABLE',
          message: 'the connection to the runner manager broke: broken by the test',
        },
      });
    }
    manager.onMessage = (frames, reply) => reply(frames.map(continueFrame));
    await ask(client);
    expect(manager.streams).toBe(2);
    expect(log.lines.filter((line) => line.startsWith('warn:'))).toHaveLength(1);
  });

  test('comes back when the manager has been replaced', async () => {
    const address = unixAddress();
    const first = await startManager(address);
    const { client } = connect(address, { connectWaitMs: 20_000 });
    const lost = ask(client);
    await vi.waitFor(() => expect(first.frames()).toHaveLength(1), 10_000);
    const [failure] = await Promise.allSettled([lost, first.stop()]);
    expect(failure).toMatchObject({ reason: { code: 'RUNNER_UNAVAILABLE' } });
    const second = await startManager(address);
    second.onMessage = (frames, reply) => reply(frames.map(continueFrame));
    expect(await ask(client)).toMatchObject({
      action: { $case: 'continue' },
    });
  });

  test('fails what is in flight when it is closed, and refuses more', async () => {
    const { manager, client } = await connected();
    const result = ask(client);
    await vi.waitFor(() => expect(manager.frames()).toHaveLength(1));
    client.close();
    await expect(result).rejects.toMatchObject({ code: 'RUNNER_UNAVAILABLE' });
    await expect(ask(client)).rejects.toMatchObject({
      code: 'RUNNER_UNAVAILABLE',
    });
    await vi.waitFor(() => expect(manager.openStreams).toBe(0));
  });
});
