import { memorySharedState } from '@polygate/testing';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CircuitBreaker } from './circuit-breaker.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const policy = { failures: 3, windowMs: 10_000, openMs: 1_000 };
function breakers() {
  const shared = memorySharedState();
  return () => new CircuitBreaker(shared, 'route#1', policy, 500);
}

function fail(breaker: CircuitBreaker, times: number): void {
  for (let i = 0; i < times; i++) breaker.failed();
}

describe('a circuit breaker', () => {
  test('opens after so many failures within its window', () => {
    const breaker = breakers()();
    fail(breaker, 2);
    expect(breaker.admit()).toBe(true);
    fail(breaker, 1);
    expect(breaker.state).toBe('open');
    expect(breaker.admit()).toBe(false);
  });

  test('forgets failures that are long ago', () => {
    const breaker = breakers()();
    fail(breaker, 2);
    vi.advanceTimersByTime(10_001);
    fail(breaker, 2);
    expect(breaker.state).toBe('closed');
  });

  test('lets one call try when its time is over, and closes when that goes well', () => {
    const breaker = breakers()();
    fail(breaker, 3);
    vi.advanceTimersByTime(1_001);
    expect(breaker.state).toBe('half_open');
    expect(breaker.admit()).toBe(true);
    expect(breaker.admit()).toBe(false);
    breaker.succeeded();
    expect(breaker.state).toBe('closed');
    fail(breaker, 2);
    expect(breaker.admit()).toBe(true);
  });

  test('opens again when the one that tries fails', () => {
    const breaker = breakers()();
    fail(breaker, 3);
    vi.advanceTimersByTime(1_001);
    expect(breaker.admit()).toBe(true);
    breaker.failed();
    expect(breaker.state).toBe('open');
    vi.advanceTimersByTime(1_001);
    expect(breaker.admit()).toBe(true);
  });

  test('lets another one try when the first does not come back', () => {
    const breaker = breakers()();
    fail(breaker, 3);
    vi.advanceTimersByTime(1_001);
    expect(breaker.admit()).toBe(true);
    vi.advanceTimersByTime(501);
    expect(breaker.admit()).toBe(true);
  });

  test('is not held open longer by calls of before', () => {
    const breaker = breakers()();
    fail(breaker, 3);
    vi.advanceTimersByTime(900);
    fail(breaker, 10);
    vi.advanceTimersByTime(101);
    expect(breaker.state).toBe('half_open');
  });

  test('is one for all workers and all versions of a conf', () => {
    const make = breakers();
    const [one, other] = [make(), make()];
    fail(one, 1);
    fail(other, 2);
    expect(one.state).toBe('open');
    expect(make().admit()).toBe(false);
  });
});
