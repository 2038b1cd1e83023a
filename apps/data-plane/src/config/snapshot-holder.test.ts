import { expect, test, vi } from 'vitest';
import type { ConfigSnapshot } from './config-snapshot.ts';
import { SnapshotHolder } from './snapshot-holder.ts';

const snapshot = (revision: number): ConfigSnapshot => ({ revision }) as ConfigSnapshot;

test('SnapshotHolder refuses a revision older than the current one', () => {
  const holder = new SnapshotHolder(() => undefined);
  holder.publish(snapshot(2), []);
  expect(() => holder.publish(snapshot(1), [])).toThrow('older');
  expect(holder.current?.revision).toBe(2);
});

test('SnapshotHolder disposes of what is gone when the last request that knew it ends', () => {
  const holder = new SnapshotHolder(() => undefined);
  holder.publish(snapshot(1), []);
  const first = holder.pin();
  const second = holder.pin();
  const dispose = vi.fn();
  holder.publish(snapshot(2), [dispose]);
  const third = holder.pin();
  first?.release();
  expect(dispose).not.toHaveBeenCalled();
  second?.release();
  expect(dispose).toHaveBeenCalledOnce();
  expect(third?.snapshot.revision).toBe(2);
});

test('SnapshotHolder keeps what a still older request may use', () => {
  const holder = new SnapshotHolder(() => undefined);
  holder.publish(snapshot(1), []);
  const oldest = holder.pin();
  const dispose = vi.fn();
  holder.publish(snapshot(2), []);
  holder.publish(snapshot(3), [dispose]);
  expect(dispose).not.toHaveBeenCalled();
  oldest?.release();
  expect(dispose).toHaveBeenCalledOnce();
});

test('SnapshotHolder survives a dispose that throws', () => {
  const onError = vi.fn();
  const holder = new SnapshotHolder(onError);
  const after = vi.fn();
  holder.publish(snapshot(1), []);
  const failing = (): void => {
    throw new Error('broken');
  };
  holder.publish(snapshot(2), [failing, after]);
  expect(onError).toHaveBeenCalledOnce();
  expect(after).toHaveBeenCalledOnce();
});
