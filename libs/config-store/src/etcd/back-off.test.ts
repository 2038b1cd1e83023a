import { expect, test } from 'vitest';
import { createBackOff } from './back-off.ts';

test('BackOff doubles its waits up to the limit, after one quick attempt per endpoint', () => {
  const backOff = createBackOff({ baseMs: 1000, delayMsMax: 32_000, quickAttempts: 2 });
  const limits = [100, 100, 1000, 2000, 4000, 8000, 16_000, 32_000, 32_000, 32_000];
  for (const limit of limits) {
    const delayMs = backOff.next();
    expect(delayMs).toBeLessThanOrEqual(limit);
    expect(delayMs).toBeGreaterThanOrEqual(limit / 2);
  }
  backOff.reset();
  expect(backOff.next()).toBeLessThanOrEqual(100);
});

test('BackOff spreads the waits of many readers', () => {
  const first = () => createBackOff({ baseMs: 1000, delayMsMax: 32_000, quickAttempts: 0 }).next();
  const delays = new Set(Array.from({ length: 20 }, first));
  expect(delays.size).toBeGreaterThan(1);
});
