import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { beginSession, isOver, sessionTimeouts, touched, ttlSeconds } from './session.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const NONE = { idling_timeout: 0, rolling_timeout: 0, absolute_timeout: 0 };
const timeouts = (more: object = {}) =>
  sessionTimeouts({ secret: 's', storage: 'cookie', ...NONE, ...more });
const pass = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000);

describe('a session', () => {
  test.each([
    [{ idling_timeout: 30 }, 30],
    [{ rolling_timeout: 40 }, 40],
    [{ absolute_timeout: 50 }, 50],
    [{ cookie: { lifetime: 60 }, absolute_timeout: undefined }, 60],
    [{ idling_timeout: 30, rolling_timeout: 40, absolute_timeout: 20 }, 20],
  ])('ends with %j after %i seconds', (conf, seconds) => {
    const limits = timeouts(conf);
    const session = beginSession();
    expect(ttlSeconds(session, limits)).toBe(seconds);
    pass(seconds - 1);
    expect(isOver(session, limits)).toBe(false);
    expect(ttlSeconds(session, limits)).toBe(1);
    pass(1);
    expect(isOver(session, limits)).toBe(true);
  });

  test('has limits of its own without any in the conf', () => {
    const limits = sessionTimeouts({ secret: 's', storage: 'cookie' });
    expect(limits).toEqual({ idleMs: 900_000, rollingMs: 3_600_000, absoluteMs: 86_400_000 });
  });

  test('without limits does not end, but is kept for 400 days only', () => {
    const session = beginSession();
    pass(86_400 * 300);
    expect(isOver(session, timeouts())).toBe(false);
    expect(ttlSeconds(session, timeouts())).toBe(34_560_000);
    expect(touched(session, timeouts())).toBeUndefined();
  });

  test('goes on idling anew with a request, also when the limit is short', () => {
    const limits = timeouts({ idling_timeout: 20 });
    let session = beginSession();
    for (let i = 0; i < 10; i++) {
      pass(6);
      expect(isOver(session, limits)).toBe(false);
      session = touched(session, limits) ?? session;
    }
    pass(20);
    expect(isOver(session, limits)).toBe(true);
  });

  test('is not written anew for each request', () => {
    const limits = timeouts({ idling_timeout: 900 });
    const session = beginSession();
    pass(59);
    expect(touched(session, limits)).toBeUndefined();
    pass(2);
    expect(touched(session, limits)).toMatchObject({ seenMs: Date.now() });
  });

  test('rolls on in the last quarter of its time, and not before', () => {
    const limits = timeouts({ rolling_timeout: 100 });
    const session = beginSession();
    pass(75);
    expect(touched(session, limits)).toBeUndefined();
    pass(1);
    expect(touched(session, limits)).toMatchObject({ rolledMs: Date.now() });
  });

  test('ends at its absolute limit, however it is used', () => {
    const limits = timeouts({ rolling_timeout: 10, absolute_timeout: 35 });
    let session = beginSession();
    for (let i = 0; i < 4; i++) {
      pass(8);
      expect(isOver(session, limits)).toBe(false);
      session = touched(session, limits) ?? session;
    }
    pass(3);
    expect(isOver(session, limits)).toBe(true);
  });
});
