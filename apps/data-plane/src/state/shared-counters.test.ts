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

test('SharedCounters is exact over threads', async () => {
  const memory = allocateCounters(64);
  const module = new URL('./shared-counters.ts', import.meta.url).href;
  const code = `
    import { workerData } from 'node:worker_threads';
    const { SharedCounters } = await import(workerData.module);
    const counters = new SharedCounters(workerData.memory);
    for (let i = 0; i < 20000; i++) counters.incrementWindow('k' + (i % 4), 1, 600000);
  `;
  const source = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
  const threads = [1, 2, 3].map(() => new Worker(source, { workerData: { memory, module } }));
  await Promise.all(
    threads.map(
      (thread) =>
        new Promise((resolve, reject) => void thread.once('exit', resolve).once('error', reject)),
    ),
  );
  const counters = new SharedCounters(memory);
  const counts = [0, 1, 2, 3].map((i) => counters.incrementWindow(`k${i}`, 0, 1).count);
  expect(counts).toEqual([15000, 15000, 15000, 15000]);
});
