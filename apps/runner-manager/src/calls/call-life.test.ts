import { FailureReason } from '@polygate/rpc';
import { expect, test, vi } from 'vitest';
import { CallError } from '../call-error.ts';
import { CallLife } from './call-life.ts';

const timeout = () => new CallError(FailureReason.TIMEOUT, 'too late');
const cancelled = new CallError(FailureReason.UNSPECIFIED, 'cancelled');
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test('the deadline breaks off the stage that runs, and those after it', async () => {
  const life = new CallLife(10, timeout);
  const breakOff = vi.fn();
  await expect(life.stage(() => breakOff)).rejects.toThrow('too late');
  expect(breakOff).toHaveBeenCalledOnce();
  const begin = vi.fn(() => () => undefined);
  await expect(life.stage(begin)).rejects.toThrow('too late');
  expect(begin).not.toHaveBeenCalled();
});

test('a deadline further away than a timer reaches is not over at once', async () => {
  const life = new CallLife(0xffff_ffff, timeout);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await life.wait(Promise.resolve(1))).toBe(1);
  life.finish();
});

test('what comes of an abandoned wait goes to whoever discards it, once', async () => {
  const life = new CallLife(60_000, timeout);
  const { promise, resolve } = Promise.withResolvers<number>();
  const discard = vi.fn();
  const waiting = life.wait(promise, discard);
  life.end(cancelled);
  await expect(waiting).rejects.toBe(cancelled);
  resolve(7);
  await nextTurn();
  expect(discard.mock.calls).toEqual([[7]]);
});

test('a wait after the end owns its promise all the same', async () => {
  const life = new CallLife(60_000, timeout);
  life.end(cancelled);
  const discard = vi.fn();
  await expect(life.wait(Promise.resolve(8), discard)).rejects.toBe(cancelled);
  await expect(life.wait(Promise.reject(new Error('nobody looks')))).rejects.toBe(cancelled);
  await nextTurn();
  expect(discard.mock.calls).toEqual([[8]]);
});
