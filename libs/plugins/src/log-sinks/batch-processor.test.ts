import { memoryLog } from '@polygate/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BatchProcessor, PartlySent } from './batch-processor.ts';
import type { BatchConf } from './batch.schema.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function start(conf: Partial<BatchConf>, answer?: (entries: readonly string[]) => Promise<void>) {
  const sent: (readonly string[])[] = [];
  const buffered: number[] = [];
  const settled = { sent: 0, dropped: 0 };
  const log = memoryLog();
  const processor = new BatchProcessor<string>({
    conf: {
      name: 'test',
      batch_max_size: 1000,
      max_retry_count: 0,
      retry_delay: 1,
      buffer_duration: 60,
      inactive_timeout: 5,
      ...conf,
    },
    log,
    send: async (entries) => {
      sent.push(entries);
      await answer?.(entries);
    },
    onBuffered: (count) => buffered.push(count),
    onSettled: (entries, outcome) => (settled[outcome] += entries.length),
  });
  return { processor, sent, buffered, settled, log };
}

test('a batch goes when it is full, and not within the call that filled it', async () => {
  const { processor, sent, buffered } = start({ batch_max_size: 2 });
  processor.push('a');
  processor.push('b');
  expect(sent).toEqual([]);
  await vi.advanceTimersByTimeAsync(0);
  expect(sent).toEqual([['a', 'b']]);
  expect(buffered).toEqual([1, 2, 0]);
});

test('a batch of one does not wait at all', async () => {
  const { processor, sent } = start({ batch_max_size: 1 });
  processor.push('a');
  processor.push('b');
  await vi.advanceTimersByTimeAsync(0);
  expect(sent).toEqual([['a'], ['b']]);
});

test('a batch goes when nothing was added for inactive_timeout', async () => {
  const { processor, sent } = start({});
  processor.push('a');
  await vi.advanceTimersByTimeAsync(4990);
  processor.push('b');
  // the timer of the first entry finds a batch that is still in use
  await vi.advanceTimersByTimeAsync(20);
  expect(sent).toEqual([]);
  await vi.advanceTimersByTimeAsync(5000);
  expect(sent).toEqual([['a', 'b']]);
});

test('a batch that is in use all the time goes after buffer_duration', async () => {
  const { processor, sent } = start({ buffer_duration: 10 });
  for (let second = 0; second < 12; second++) {
    processor.push(String(second));
    await vi.advanceTimersByTimeAsync(1000);
  }
  expect(sent).toHaveLength(1);
  expect(sent[0]).toHaveLength(10);
});

test('a batch that failed is sent again, as often as it may be, and nothing of it is lost', async () => {
  let failures = 2;
  const answer = (): Promise<void> =>
    failures-- > 0 ? Promise.reject(new Error('sink is down')) : Promise.resolve();
  const conf = { batch_max_size: 2, max_retry_count: 2, retry_delay: 3 };
  const { processor, sent, settled, log } = start(conf, answer);
  processor.push('a');
  processor.push('b');
  await vi.advanceTimersByTimeAsync(2900);
  expect(sent).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(4000);
  expect(sent).toEqual([
    ['a', 'b'],
    ['a', 'b'],
    ['a', 'b'],
  ]);
  expect(settled).toEqual({ sent: 2, dropped: 0 });
  expect(log.lines).toContain(
    'error: Batch Processor[test] failed to process entries: sink is down',
  );
});

test('a batch that failed too often is dropped, and said to be', async () => {
  const { processor, settled, log } = start({ batch_max_size: 2 }, () =>
    Promise.reject(new Error('no')),
  );
  processor.push('a');
  processor.push('b');
  await vi.advanceTimersByTimeAsync(0);
  expect(settled).toEqual({ sent: 0, dropped: 2 });
  expect(log.lines.at(-1)).toBe(
    'error: Batch Processor[test] exceeded the max_retry_count[1] dropping the entries',
  );
});

test('of a batch that arrived in part only the rest is sent again', async () => {
  const answers = [() => Promise.reject(new PartlySent('half', 1)), () => Promise.resolve()];
  const conf = { batch_max_size: 3, max_retry_count: 1 };
  const { processor, sent, settled, log } = start(conf, () =>
    (answers.shift() as () => Promise<void>)(),
  );
  for (const entry of ['a', 'b', 'c']) processor.push(entry);
  await vi.advanceTimersByTimeAsync(1500);
  expect(sent).toEqual([
    ['a', 'b', 'c'],
    ['b', 'c'],
  ]);
  expect(settled).toEqual({ sent: 3, dropped: 0 });
  expect(log.lines).toContain('error: Batch Processor[test] failed to process entries [2/3]: half');
});

test('a slow sink gets a bounded number of batches at a time, and all of them in the end', async () => {
  const waiting: (() => void)[] = [];
  const { processor, settled } = start(
    { batch_max_size: 1 },
    () => new Promise<void>((resolve) => waiting.push(resolve)),
  );
  for (let i = 0; i < 100; i++) processor.push(String(i));
  await vi.advanceTimersByTimeAsync(0);
  expect(waiting).toHaveLength(32);
  while (waiting.length > 0) {
    waiting.pop()?.();
    await vi.advanceTimersByTimeAsync(0);
  }
  expect(settled).toEqual({ sent: 100, dropped: 0 });
});

test('stop() sends what waits at once, and tries again soon; abandon() counts what is left', async () => {
  let isUp = false;
  const answer = (): Promise<void> =>
    isUp ? Promise.resolve() : Promise.reject(new Error('down'));
  const { processor, settled } = start({ max_retry_count: 9, retry_delay: 3600 }, answer);
  processor.push('a');
  processor.flush();
  await vi.advanceTimersByTimeAsync(0);
  processor.push('b');
  const idle = processor.whenIdle();
  processor.stop();
  await vi.advanceTimersByTimeAsync(50);
  isUp = true;
  await vi.advanceTimersByTimeAsync(200);
  await idle;
  expect(settled).toEqual({ sent: 2, dropped: 0 });

  isUp = false;
  processor.push('c');
  processor.stop();
  await vi.advanceTimersByTimeAsync(150);
  expect(processor.abandon()).toBe(1);
  await vi.advanceTimersByTimeAsync(5000);
  expect(settled).toEqual({ sent: 2, dropped: 1 });
});
