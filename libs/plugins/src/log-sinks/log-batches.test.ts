import { memoryLog, memoryMetrics, MemoryContext } from '@polygate/testing';
import type { PluginEnvironment } from '@polygate/plugin-sdk';
import { expect, test, vi } from 'vitest';
import { LogBatches, type LogSink } from './log-batches.ts';
import type { BatchConf } from './batch.schema.ts';

const CONF: BatchConf = {
  name: 'test logger',
  batch_max_size: 1000,
  max_retry_count: 0,
  retry_delay: 1,
  buffer_duration: 60,
  inactive_timeout: 5,
};

function environment(metadata: object = {}) {
  const log = memoryLog();
  const metrics = memoryMetrics();
  const source = { kind: 'route', id: '1', modifiedIndex: 1 };
  const env = { source, metadata, metrics, log } as unknown as PluginEnvironment;
  return { log, metrics, env };
}

const ctx = new MemoryContext({}, memoryLog());

/** Takes what it gets, when it is up. */
class TestSink implements LogSink<string> {
  readonly batches: (readonly string[])[] = [];
  isUp = true;
  isClosed = false;

  send(entries: readonly string[]): Promise<void> {
    if (!this.isUp) return Promise.reject(new Error('down'));
    this.batches.push(entries);
    return Promise.resolve();
  }

  close(): void {
    this.isClosed = true;
  }
}

test('a conf that is prepared anew without a change goes on with what the old one had', async () => {
  const batches = new LogBatches();
  const sinks: TestSink[] = [];
  const { env } = environment();
  const acquire = (conf: BatchConf = CONF) =>
    batches.acquire<string>({
      plugin: 'test',
      conf,
      env,
      openSink: () => sinks[sinks.push(new TestSink()) - 1] as TestSink,
    });
  const first = acquire();
  first.push(ctx, 'a', 1);
  const second = acquire();
  first.release();
  second.push(ctx, 'b', 1);
  expect(sinks).toHaveLength(1);

  // a changed one sends to its own sink, and the old one what it has to the old sink
  const changed = acquire({ ...CONF, batch_max_size: 7 });
  second.release();
  changed.push(ctx, 'c', 1);
  await vi.waitFor(() => expect(sinks[0]?.isClosed).toBe(true));
  expect(sinks[0]?.batches).toEqual([['a', 'b']]);
  await batches.drain(1000);
  expect(sinks[1]?.batches).toEqual([['c']]);
});

test('with the sink down nothing is lost up to the bound, then entries are counted as dropped', async () => {
  const batches = new LogBatches();
  const { env, log, metrics } = environment({ max_pending_entries: 5 });
  const sink = new TestSink();
  sink.isUp = false;
  const conf = { ...CONF, batch_max_size: 2, max_retry_count: 100_000, retry_delay: 0 };
  const batch = batches.acquire<string>({ plugin: 'test', conf, env, openSink: () => sink });
  for (const entry of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) batch.push(ctx, entry, 1);
  const dropped = (reason: string) =>
    metrics.value('polygate_log_entries_dropped_total', ['test', reason]);
  expect(dropped('backlog')).toBe(2);
  expect(log.lines.filter((line) => line.includes('max pending entries'))).toEqual([
    'error: max pending entries limit exceeded. discarding entry. total_pushed_entries: 5' +
      ' total_processed_entries: 0 max_pending_entries: 5 discarded_entries: 1',
  ]);
  await vi.waitFor(() => expect(log.lines.join()).toContain('failed to process entries: down'));
  sink.isUp = true;
  await vi.waitFor(() => expect(sink.batches).toHaveLength(2));
  await batches.drain(5000);
  expect(sink.batches.flat().sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(dropped('sink')).toBeUndefined();

  // there is room again
  batch.push(ctx, 'h', 1);
  await batches.drain(5000);
  expect(sink.batches.flat()).toContain('h');
});

test('bodies count: entries of too many characters are dropped however few they are', () => {
  const batches = new LogBatches();
  const { env, metrics } = environment();
  const openSink = () => new TestSink();
  const batch = batches.acquire<string>({ plugin: 'test', conf: CONF, env, openSink });
  for (let i = 0; i < 5; i++) batch.push(ctx, 'x', 16 * 1024 * 1024);
  expect(metrics.value('polygate_log_entries_dropped_total', ['test', 'backlog'])).toBe(1);
});

test('what waits is told as a metric, by name, route and server', () => {
  const batches = new LogBatches();
  const { env, metrics } = environment();
  const openSink = () => new TestSink();
  const batch = batches.acquire<string>({ plugin: 'test', conf: CONF, env, openSink });
  batch.push(ctx, 'a', 1);
  batch.push(ctx, 'b', 1);
  const labels = ['test logger', '1', '127.0.0.1'];
  expect(metrics.value('apisix_batch_process_entries', labels)).toBe(2);
});

test('drain() gives up in time on a sink that does not answer, and says what is lost', async () => {
  const batches = new LogBatches();
  const { env, log, metrics } = environment();
  const openSink = () => ({ send: () => new Promise<void>(() => undefined) });
  const batch = batches.acquire<string>({ plugin: 'test', conf: CONF, env, openSink });
  batch.push(ctx, 'a', 1);
  await batches.drain(20);
  expect(log.lines).toContain(
    'error: Batch Processor[test logger] is stopped with 1 entries not sent',
  );
  expect(metrics.value('polygate_log_entries_dropped_total', ['test', 'sink'])).toBe(1);
});
