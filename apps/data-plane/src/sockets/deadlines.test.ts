import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Deadlines } from './deadlines.ts';
import type { Expiring } from './deadlines.ts';

class Member implements Expiring {
  deadlineMs = Infinity;
  calls = 0;
  onDeadline(): void {
    this.calls += 1;
  }
}

beforeEach(
  () => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }),
);
afterEach(() => void vi.useRealTimers());

describe('deadlines', () => {
  test('are never early, at most some looks late, and told once', () => {
    const deadlines = new Deadlines();
    const member = new Member();
    deadlines.add(member);
    vi.advanceTimersByTime(1050);
    member.deadlineMs = deadlines.nowMs + 500;
    vi.advanceTimersByTime(500);
    expect(member.calls).toBe(0);
    vi.advanceTimersByTime(200);
    expect([member.calls, member.deadlineMs]).toEqual([1, Infinity]);
    vi.advanceTimersByTime(5000);
    expect(member.calls).toBe(1);
  });

  test('may be set before anybody is added, after a long silence', () => {
    const deadlines = new Deadlines();
    const first = new Member();
    deadlines.add(first);
    vi.advanceTimersByTime(500);
    deadlines.delete(first);
    vi.advanceTimersByTime(3_600_000);
    const member = new Member();
    member.deadlineMs = deadlines.nowMs + 1000;
    deadlines.add(member);
    vi.advanceTimersByTime(900);
    expect(member.calls).toBe(0);
    vi.advanceTimersByTime(300);
    expect(member.calls).toBe(1);
  });

  test('do not pass while the event loop stands still, nor with the wall clock', () => {
    const deadlines = new Deadlines();
    const member = new Member();
    deadlines.add(member);
    member.deadlineMs = deadlines.nowMs + 1000;
    const real = performance.now.bind(performance);
    const stalled = vi.spyOn(performance, 'now').mockImplementation(() => real() + 60_000);
    vi.advanceTimersByTime(300);
    expect(member.calls).toBe(0);
    vi.advanceTimersByTime(1000);
    expect(member.calls).toBe(1);
    stalled.mockRestore();
  });

  test('may take members away, and bring some, while they are looked at', () => {
    const deadlines = new Deadlines();
    const gone = new Member();
    const leaver: Expiring = {
      deadlineMs: 1,
      onDeadline() {
        deadlines.delete(leaver);
        deadlines.delete(gone);
        deadlines.add(new Member());
      },
    };
    gone.deadlineMs = 1;
    deadlines.add(leaver);
    deadlines.add(gone);
    vi.advanceTimersByTime(1000);
    expect([gone.calls, deadlines.size]).toEqual([0, 1]);
  });

  test('need no timer when there are none', () => {
    const deadlines = new Deadlines();
    const member = new Member();
    deadlines.add(member);
    expect(vi.getTimerCount()).toBe(1);
    deadlines.delete(member);
    expect(vi.getTimerCount()).toBe(0);
  });
});
