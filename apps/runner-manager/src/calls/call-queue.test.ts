import { FailureReason } from '@polygate/rpc';
import { expect, test } from 'vitest';
import { CallError } from '../call-error.ts';
import type { RunnerInstance, RunnerPool } from '../pool/runner-pool.ts';
import { CallQueue, type WaitingCall } from './call-queue.ts';

/** One instance with `room` for calls. */
function queueWith({ room, waitingCallsMax = 100 }: { room: number; waitingCallsMax?: number }) {
  const instance = { callsInFlight: 0 } as RunnerInstance;
  const ready = { value: true };
  const starting = Promise.withResolvers<RunnerInstance>();
  const pool = {
    name: 'p',
    get ready() {
      return ready.value;
    },
    pick: () => (ready.value && instance.callsInFlight < room ? instance : undefined),
    whenReady: () => starting.promise,
    watchReady: () => () => undefined,
  } as unknown as RunnerPool;
  const queue = new CallQueue(pool, { waitingCallsMax, connectionsMax: 1000 });
  const log: string[] = [];
  const call = (name: string): WaitingCall => ({
    tried: undefined,
    admit: (to) => {
      to.callsInFlight += 1;
      log.push(name);
    },
    refuse: ({ reason }) => log.push(`${name} refused ${reason}`),
  });
  const endOne = (): void => {
    instance.callsInFlight -= 1;
    queue.advance();
  };
  return { queue, log, call, endOne, ready, starting };
}

const [a, b] = [{}, {}];
const overloaded = `refused ${FailureReason.OVERLOADED}`;

test('calls run at once while there is room, then in turn by who calls', () => {
  const { queue, log, call, endOne } = queueWith({ room: 1 });
  for (const name of ['a1', 'a2', 'a3', 'a4']) queue.enter(a, call(name));
  queue.enter(b, call('b1'));
  queue.enter(b, call('b2'));
  expect(log).toEqual(['a1']);
  for (let end = 0; end < 5; end += 1) endOne();
  expect(log).toEqual(['a1', 'a2', 'b1', 'a3', 'b2', 'a4']);
  expect(queue.size).toBe(0);
});

test('a full queue refuses, but gives way to a caller who has less waiting', () => {
  const { queue, log, call, endOne } = queueWith({ room: 1, waitingCallsMax: 3 });
  for (const name of ['a1', 'a2', 'a3', 'a4', 'a5']) queue.enter(a, call(name));
  expect(log).toEqual(['a1', `a5 ${overloaded}`]);
  queue.enter(b, call('b1'));
  expect(log.at(-1)).toBe(`a4 ${overloaded}`);
  queue.enter(b, call('b2'));
  expect(log.at(-1)).toBe(`b2 ${overloaded}`);
  expect(queue.size).toBe(3);
  for (let end = 0; end < 3; end += 1) endOne();
  expect(log.slice(-3)).toEqual(['a2', 'b1', 'a3']);
});

test('who leaves gets no turn', () => {
  const { queue, log, call, endOne } = queueWith({ room: 1 });
  const second = call('a2');
  queue.enter(a, call('a1'));
  queue.enter(a, second);
  queue.enter(a, call('a3'));
  queue.leave(a, second);
  queue.leave(a, second);
  endOne();
  expect(log).toEqual(['a1', 'a3']);
});

test('calls wait for a runner that starts, and fail with its words when it does not', async () => {
  const { queue, log, call, ready, starting } = queueWith({ room: 2 });
  ready.value = false;
  queue.enter(a, call('a1'));
  queue.enter(b, call('b1'));
  starting.reject(new CallError(FailureReason.UNAVAILABLE, 'it ended'));
  await expect(starting.promise).rejects.toThrow('it ended');
  await new Promise((resolve) => setImmediate(resolve));
  const why = `refused ${FailureReason.UNAVAILABLE}`;
  expect(log).toEqual([`a1 ${why}`, `b1 ${why}`]);
  expect(queue.size).toBe(0);
});
