import { afterEach, expect, test, vi } from 'vitest';
import { ConfTokens } from './conf-tokens.ts';

afterEach(() => vi.useRealTimers());

const limits = { confTokensMax: 3, confTokenTtlMs: 1000 };
const hold = (tokens: ConfTokens, key: string, confToken: number) =>
  tokens.obtain(key, () => Promise.resolve(confToken));

test('a token is held until its time is over, however often it is used', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const tokens = new ConfTokens(limits);
  await hold(tokens, 'a', 0);
  vi.advanceTimersByTime(999);
  expect(tokens.get('a')).toBe(0);
  vi.advanceTimersByTime(1);
  expect(tokens.get('a')).toBeUndefined();
});

test('beyond the limit the least recently used token goes', async () => {
  const tokens = new ConfTokens(limits);
  await hold(tokens, 'a', 1);
  await hold(tokens, 'b', 2);
  await hold(tokens, 'c', 3);
  tokens.get('a');
  await hold(tokens, 'd', 4);
  expect(['a', 'b', 'c', 'd'].map((key) => tokens.get(key))).toEqual([1, undefined, 3, 4]);
});

test('evict drops the token it names, no newer one, and no young one unless asked to', async () => {
  const tokens = new ConfTokens(limits);
  await hold(tokens, 'a', 1);
  tokens.evict('a', 2);
  tokens.evict('a', 1, 10_000);
  expect(tokens.get('a')).toBe(1);
  tokens.evict('a', 1);
  expect(tokens.get('a')).toBeUndefined();
});

test('all who ask at a time share one flight, and a failure is not remembered', async () => {
  const tokens = new ConfTokens(limits);
  const { promise, reject } = Promise.withResolvers<number>();
  const prepare = vi.fn(() => promise);
  const flights = [tokens.obtain('a', prepare), tokens.obtain('a', prepare)];
  reject(new Error('gone'));
  for (const flight of flights) await expect(flight).rejects.toThrow('gone');
  expect(prepare).toHaveBeenCalledTimes(1);
  expect(await hold(tokens, 'a', 5)).toBe(5);
});
