import { randomBytes } from 'node:crypto';
import { afterEach, expect, test, vi } from 'vitest';
import { SessionCache, sessionMemory } from './session-cache.ts';

afterEach(() => void vi.useRealTimers());

test('a session is found in every cache on the same memory, as a copy', () => {
  const memory = sessionMemory(64);
  const id = randomBytes(32);
  new SessionCache(memory, 60).put(id, Buffer.from('session'));
  const other = new SessionCache(memory, 60);
  const found = other.get(id);
  expect(found?.toString()).toBe('session');
  found?.fill(0);
  expect(other.get(id)?.toString()).toBe('session');
  expect(other.get(randomBytes(32))).toBeUndefined();
});

test('a session ends with its time', () => {
  vi.useFakeTimers();
  const cache = new SessionCache(sessionMemory(64), 60);
  const id = randomBytes(32);
  cache.put(id, Buffer.from('session'));
  vi.advanceTimersByTime(59_000);
  expect(cache.get(id)).toBeDefined();
  vi.advanceTimersByTime(1_000);
  expect(cache.get(id)).toBeUndefined();
});

test('ids of another length and sessions that are too long stay out', () => {
  const cache = new SessionCache(sessionMemory(64), 60);
  const id = randomBytes(32);
  cache.put(id.subarray(1), Buffer.from('session'));
  cache.put(id, Buffer.alloc(600));
  expect([cache.get(id), cache.get(id.subarray(1)), cache.get(Buffer.alloc(0))]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test('where there is no place left the session that ends first makes room', () => {
  vi.useFakeTimers();
  const cache = new SessionCache(sessionMemory(4), 60);
  const ids = Array.from({ length: 5 }, () => randomBytes(32));
  for (const id of ids) {
    cache.put(id, id);
    vi.advanceTimersByTime(1_000);
  }
  expect(cache.get(ids[0] as Buffer)).toBeUndefined();
  for (const id of ids.slice(1)) expect(cache.get(id)).toEqual(id);
});

test('a slot that another thread holds is neither read nor written', () => {
  const memory = sessionMemory(4);
  const cache = new SessionCache(memory, 60);
  const id = randomBytes(32);
  cache.put(id, Buffer.from('session'));
  const locks = new Int32Array(memory);
  for (let slot = 0; slot < 4; slot++) Atomics.store(locks, slot * 128, 1);
  expect(cache.get(id)).toBeUndefined();
  cache.put(id, Buffer.from('other'));
  for (let slot = 0; slot < 4; slot++) Atomics.store(locks, slot * 128, 0);
  expect(cache.get(id)?.toString()).toBe('session');
});
