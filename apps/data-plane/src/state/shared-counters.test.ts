import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { allocateCounters, SharedCounters } from './shared-counters.ts';

test('SharedCounters counts a window and begins anew after it', async () => {
  const counters = new SharedCounters(allocateCounters(64));
  expect(counters.incrementWindow('a', 1, 40).count).toBe(1);
  expect(counters.incrementWindow('a', 2, 40).count).toBe(3);
  expect(counters.incrementWindow('a', 0, 40).count).toBe(3);
  const { resetMs } = counters.incrementWindow('a', 0, 40);
  expect(resetMs).toBeLessThanOrEqual(40);
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(counters.incrementWindow('a', 1, 40).count).toBe(1);
});

test('SharedCounters keeps keys apart and does not begin a window by looking', () => {
  const counters = new SharedCounters(allocateCounters(64));
  expect(counters.incrementWindow('b', 0, 1000)).toEqual({ count: 0, resetMs: 1000 });
  counters.incrementWindow('b', 5, 1000);
  expect(counters.incrementWindow('c', 1, 1000).count).toBe(1);
  expect(counters.incrementWindow('b', 1, 1000).count).toBe(6);
});

test('SharedCounters forgets a window that is cleared, and no other', () => {
  const counters = new SharedCounters(allocateCounters(16));
  counters.incrementWindow('a', 3, 60_000);
  counters.incrementWindow('b', 2, 60_000);
  counters.clearWindow('a');
  counters.clearWindow('none');
  expect(counters.incrementWindow('a', 0, 1000)).toEqual({ count: 0, resetMs: 1000 });
  expect(counters.incrementWindow('a', 1, 60_000).count).toBe(1);
  expect(counters.incrementWindow('b', 0, 60_000).count).toBe(2);
});

test('SharedCounters gives way at the counter nearest to its end when a bucket is full', () => {
  const counters = new SharedCounters(allocateCounters(8));
  counters.incrementWindow('short', 1, 1000);
  for (let i = 0; i < 8; i++) counters.incrementWindow(`long-${i}`, 1, 60_000);
  expect(counters.incrementWindow('long-7', 1, 60_000).count).toBe(2);
  expect(counters.incrementWindow('short', 1, 1000).count).toBe(1);
});

test('SharedCounters adds to a window only below its limit', () => {
  const counters = new SharedCounters(allocateCounters(64));
  const add = (limit: number) => counters.incrementWindowBelow('w', 1, 60_000, limit);
  expect(add(0)).toEqual({ count: 0, resetMs: 60_000, isAdmitted: false });
  expect([add(1.5), add(1.5), add(1.5)].map(({ isAdmitted }) => isAdmitted)).toEqual([
    ...[true, true, false],
  ]);
  expect(add(3).count).toBe(3);
  expect(add(3)).toMatchObject({ count: 3, isAdmitted: false });
});

test('SharedCounters lets a bucket run out at its rate', async () => {
  const counters = new SharedCounters(allocateCounters(64));
  expect(counters.pourIntoBucket('b', 50, 1)).toBe(0);
  const second = counters.pourIntoBucket('b', 50, 1);
  expect(second).toBeGreaterThan(0.5);
  expect(second).toBeLessThanOrEqual(1);
  expect(counters.pourIntoBucket('b', 50, 1)).toBe(-1);
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(counters.pourIntoBucket('b', 50, 1)).toBe(0);
});

test('SharedCounters gives each place once, and again when it came back', () => {
  const counters = new SharedCounters(allocateCounters(64));
  expect([1, 2, 3].map(() => counters.takePlace('p', 2))).toEqual([1, 2, 0]);
  expect(counters.releasePlace('p')).toBe(1);
  expect(counters.takePlace('p', 2)).toBe(2);
  expect([1, 2, 3].map(() => counters.releasePlace('p'))).toEqual([1, 0, 0]);
  expect(counters.takePlace('p', 1)).toBe(1);
  expect(counters.takePlace('other', 0)).toBe(0);
});

test('SharedCounters keeps places that are taken when there is no room, and refuses further ones', () => {
  const counters = new SharedCounters(allocateCounters(8));
  for (let i = 0; i < 8; i++) expect(counters.takePlace(`place-${i}`, 1)).toBe(1);
  for (let i = 0; i < 50; i++) counters.incrementWindow(`window-${i}`, 1, 60_000);
  for (let i = 0; i < 8; i++) expect(counters.takePlace(`place-${i}`, 1)).toBe(0);
  // what cannot be counted is refused, not let in
  expect(counters.takePlace('ninth', 100)).toBe(0);
  expect(counters.incrementWindow('w', 1, 1000).count).toBe(Number.MAX_SAFE_INTEGER);
  expect(counters.incrementWindowBelow('w', 1, 1000, 100).isAdmitted).toBe(false);
  expect(counters.pourIntoBucket('b', 1, 100)).toBe(-1);
  counters.releasePlace('place-3');
  expect(counters.incrementWindow('w', 1, 1000).count).toBe(1);
});

test('SharedCounters takes from a quota what is left of it and not settled', async () => {
  const counters = new SharedCounters(allocateCounters(64));
  expect(counters.takeFromQuota('q', 1)).toBeUndefined();
  counters.grantQuota('q', 3, 60_000, 0);
  expect([1, 1, 1, 1].map((cost) => counters.takeFromQuota('q', cost)?.remaining)).toEqual([
    ...[2, 1, 0, -1],
  ]);
  // two of the three were told, and are in the new number already
  counters.grantQuota('q', 5, 60_000, 2);
  expect(counters.takeFromQuota('q', 1)?.remaining).toBe(3);
  counters.grantQuota('q', 9, 20, 2);
  await new Promise((resolve) => setTimeout(resolve, 40));
  expect(counters.takeFromQuota('q', 1)).toBeUndefined();
});

test('SharedCounters counts beyond what 32 bits hold', () => {
  const counters = new SharedCounters(allocateCounters(64));
  counters.incrementWindow('many', 2 ** 40, 60_000);
  expect(counters.incrementWindow('many', 1, 60_000).count).toBe(2 ** 40 + 1);
});

test('SharedCounters is exact over threads', async () => {
  const memory = allocateCounters(64);
  const module = new URL('./shared-counters.ts', import.meta.url).href;
  const code = `
    import { workerData } from 'node:worker_threads';
    const { SharedCounters } = await import(workerData.module);
    const counters = new SharedCounters(workerData.memory);
    for (let i = 0; i < 20000; i++) counters.incrementWindow('k' + (i % 4), 1, 600000);
    for (let i = 0; i < 20000; i++) {
      counters.incrementWindowBelow('limited', 1, 600000, 31000);
      if (counters.takePlace('places', 2) > 0) counters.releasePlace('places');
      counters.takeFromQuota('quota', 1);
    }
  `;
  const source = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
  const counters = new SharedCounters(memory);
  counters.grantQuota('quota', 50_000, 600_000, 0);
  const threads = [1, 2, 3].map(() => new Worker(source, { workerData: { memory, module } }));
  await Promise.all(
    threads.map(
      (thread) =>
        new Promise((resolve, reject) => void thread.once('exit', resolve).once('error', reject)),
    ),
  );
  const counts = [0, 1, 2, 3].map((i) => counters.incrementWindow(`k${i}`, 0, 1).count);
  expect(counts).toEqual([15000, 15000, 15000, 15000]);
  expect(counters.incrementWindow('limited', 0, 1).count).toBe(31_000);
  expect(counters.takePlace('places', 1)).toBe(1);
  expect(counters.takeFromQuota('quota', 1)?.remaining).toBe(-1);
});
