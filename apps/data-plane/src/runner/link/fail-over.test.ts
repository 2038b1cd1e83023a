import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataPlaneFrame } from '@polygate/rpc';
import { memoryLog } from '@polygate/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { continueFrame, startScriptedManager, type ScriptedManager } from '../scripted-manager.ts';
import { ask } from './calls.harness.ts';
import { connectRunnerManagers, type RunnerClient } from './runner-client.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const isCall = ({ frame }: DataPlaneFrame): boolean => frame?.$case === 'requestCall';
const callsOf = (manager: ScriptedManager): DataPlaneFrame[] => manager.frames().filter(isCall);
const answering = (manager: ScriptedManager): void => {
  manager.onMessage = (frames, reply) => reply(frames.filter(isCall).map(continueFrame));
};

async function startManager(address?: string): Promise<ScriptedManager> {
  const directory = mkdtempSync(join(tmpdir(), 'polygate-fail-over-'));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  const manager = await startScriptedManager(address ?? `unix:${join(directory, 'm.sock')}`);
  cleanups.push(() => manager.stop());
  return manager;
}

async function connectedTo(...managers: ScriptedManager[]): Promise<RunnerClient> {
  const client = connectRunnerManagers({
    addresses: managers.map(({ address }) => address),
    log: memoryLog(),
    backoffMs: { min: 5, max: 20 },
    connectWaitMs: 10_000,
  });
  cleanups.push(() => client.close());
  await vi.waitFor(
    () => expect(client.links().every(({ connected }) => connected)).toBe(true),
    10_000,
  );
  return client;
}

describe('several runner managers', () => {
  test('get calls by how few they have under way', async () => {
    const [slow, quick] = [await startManager(), await startManager()];
    answering(quick);
    const client = await connectedTo(slow, quick);
    void ask(client).catch(() => undefined);
    void ask(client).catch(() => undefined);
    await vi.waitFor(() => expect(callsOf(slow).length).toBe(1), 10_000);
    for (let i = 0; i < 10; i++) await ask(client);
    expect(callsOf(slow)).toHaveLength(1);
    expect(callsOf(quick).length).toBeGreaterThanOrEqual(10);
  });

  test('stand in for one that breaks, for calls that may be repeated', async () => {
    const [first, second] = [await startManager(), await startManager()];
    const client = await connectedTo(first, second);
    const results = Array.from({ length: 4 }, () => ask(client, '/', { retries: 1 }));
    await vi.waitFor(() => expect(callsOf(first).length + callsOf(second).length).toBe(4), 10_000);
    answering(second);
    first.breakStreams();
    await vi.waitFor(() => expect(callsOf(second).length).toBe(4), 10_000);
    // two were sent before it answered anything
    const sentTo = callsOf(second).map(({ callId }) => callId);
    expect(new Set(sentTo).size).toBe(4);
    expect(client.callsInFlight).toBe(2);
    second.breakStreams();
    answering(first);
    await Promise.all(results);
  });

  test('get a call a second time only where it may be repeated, and ask about it anew', async () => {
    const [first, second] = [await startManager(), await startManager()];
    const client = await connectedTo(first, second);
    const asking = (manager: ScriptedManager, name: string): void => {
      const info = { $case: 'variable', value: { name } } as const;
      manager.onMessage = (frames, reply) => {
        for (const { callId, frame } of frames) {
          if (frame?.$case === 'requestCall' && frame.value.path === '/asks') {
            reply([{ callId, frame: { $case: 'extraInfoQuestion', value: { info } } }]);
          }
          if (frame?.$case === 'extraInfoAnswer') reply([continueFrame({ callId })]);
        }
      };
    };
    asking(first, 'slow');
    asking(second, 'slow');
    const slow = Promise.withResolvers<Buffer>();
    const asked: string[] = [];
    const results = [
      ask(client, '/once', { retries: 0 }),
      ask(client, '/asks', {
        retries: 1,
        answer: ({ info }) => {
          const name = info?.$case === 'variable' ? info.value.name : '';
          asked.push(name);
          return name === 'slow' ? slow.promise : Buffer.from('quick');
        },
      }),
    ];
    await vi.waitFor(() => expect(asked).toEqual(['slow']), 10_000);
    await vi.waitFor(() => expect(callsOf(first).length + callsOf(second).length).toBe(2), 10_000);
    asking(first, 'quick');
    asking(second, 'quick');
    first.breakStreams();
    second.breakStreams();
    slow.resolve(Buffer.from('slow'));
    const [once, asks] = await Promise.allSettled(results);
    expect(once).toMatchObject({ reason: { code: 'RUNNER_UNAVAILABLE' } });
    expect(asks).toMatchObject({ status: 'fulfilled' });
    expect(asked).toEqual(['slow', 'quick']);
    const answers = [first, second].flatMap((manager) =>
      manager.frames().flatMap(({ frame }) => (frame?.$case === 'extraInfoAnswer' ? [frame] : [])),
    );
    // The answer to the question of the first try went nowhere.
    expect(answers.map(({ value }) => value.result?.toString())).toEqual(['quick']);
    expect(callsOf(first).length + callsOf(second).length).toBe(3);
  });

  test('are asked what they supervise, also where one does not answer', async () => {
    const [first, second] = [await startManager(), await startManager()];
    const client = await connectedTo(first, second);
    await second.stop();
    await vi.waitFor(() => expect(client.links()[1]?.connected).toBe(false), 10_000);
    const [one, two] = await client.listRunners(5_000);
    expect(one).toEqual({ address: first.address, runners: [], error: undefined });
    expect(two?.error).not.toBe('');
    expect(two?.runners).toEqual([]);
  });
});

describe('confs', () => {
  const conf = { key: 'route#1#ext-plugin-pre-req#1', plugins: [{ name: 'p', value: 'v' }] };
  const told = (manager: ScriptedManager): string[] =>
    manager.frames().flatMap(({ callId, frame }) => {
      if (frame?.$case === 'holdConf') return [`${callId} hold ${frame.value.conf?.key}`];
      if (frame?.$case === 'releaseConf') return [`${callId} release ${frame.value.key}`];
      return [];
    });

  test('are told of once however many hold them, and again after a reconnect', async () => {
    const manager = await startManager();
    const client = await connectedTo(manager);
    client.hold(conf, 'go');
    client.hold(conf, 'go');
    await vi.waitFor(() => expect(told(manager)).toEqual([`0 hold ${conf.key}`]), 10_000);
    expect(client.confsHeld).toBe(1);
    manager.breakStreams();
    await vi.waitFor(() => expect(told(manager)).toHaveLength(2), 10_000);
    client.release(conf.key, 'go');
    client.release(conf.key, 'go');
    await vi.waitFor(() => expect(told(manager).at(-1)).toBe(`0 release ${conf.key}`), 10_000);
    expect(told(manager)).toHaveLength(3);
    expect(client.confsHeld).toBe(0);
  });

  test('of one turn travel in one message, and what comes back at once is not told of', async () => {
    const manager = await startManager();
    const client = await connectedTo(manager);
    for (let i = 0; i < 100; i++) client.hold({ ...conf, key: `route#${i}` }, '');
    await vi.waitFor(() => expect(told(manager)).toHaveLength(100), 10_000);
    expect(manager.messages).toHaveLength(1);
    client.release('route#7', '');
    client.hold({ ...conf, key: 'route#7' }, '');
    client.release('route#8', '');
    await vi.waitFor(() => expect(told(manager).at(-1)).toBe('0 release route#8'), 10_000);
    expect(told(manager)).toHaveLength(101);
  });
});

describe('a body of 15 MB', () => {
  const BODY = Buffer.alloc(15 << 20, 'x');
  const body = { $case: 'requestBody', value: {} } as const;

  /** Asks for the body of what has one. */
  function askForBodies(manager: ScriptedManager): void {
    manager.onMessage = (frames, reply) => {
      for (const { callId, frame } of frames) {
        if (frame?.$case === 'extraInfoAnswer') reply([continueFrame({ callId })]);
        if (frame?.$case !== 'requestCall') continue;
        if (frame.value.path !== '/large') reply([continueFrame({ callId })]);
        else reply([{ callId, frame: { $case: 'extraInfoQuestion', value: { info: body } } }]);
      }
    };
  }

  test('holds up no small call: it has a stream of its own', async () => {
    const manager = await startManager();
    const client = await connectedTo(manager);
    askForBodies(manager);
    await ask(client);
    expect(manager.streams).toBe(1);
    let largeDone = 0;
    const large = Array.from({ length: 4 }, () =>
      ask(client, '/large', { isLarge: true, answer: () => BODY }).then(() => largeDone++),
    );
    let smallDone = 0;
    while (largeDone < large.length) {
      await ask(client, '/small');
      smallDone++;
      // All of one turn go before what is large.
      if (smallDone === 20) expect(largeDone).toBeLessThan(large.length);
    }
    await Promise.all(large);
    expect(smallDone).toBeGreaterThan(20);
    expect(manager.streams).toBe(2);
  });

  test('goes behind what is small on its stream, as calls that do not say how large they are', async () => {
    const manager = await startManager();
    const client = await connectedTo(manager);
    askForBodies(manager);
    const order: string[] = [];
    const asked: PromiseWithResolvers<Buffer>[] = [];
    const large = Array.from({ length: 4 }, () =>
      ask(client, '/large', {
        isLarge: true,
        answer: () => {
          const answer = Promise.withResolvers<Buffer>();
          asked.push(answer);
          return answer.promise;
        },
      }).then(() => order.push('large')),
    );
    await vi.waitFor(() => expect(asked).toHaveLength(4), 10_000);
    for (const { resolve } of asked) resolve(BODY);
    await new Promise((resolve) => setImmediate(resolve));
    await ask(client, '/small', { isLarge: true }).then(() => order.push('small'));
    await Promise.all(large);
    // One was under way.
    expect(order.indexOf('small')).toBeLessThanOrEqual(1);
  });
});
