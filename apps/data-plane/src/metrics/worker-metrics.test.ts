import { expect, test, vi } from 'vitest';
import { renderExposition } from './exposition.ts';
import { WorkerMetrics } from './worker-metrics.ts';

const rendered = (metrics: WorkerMetrics) => renderExposition([metrics.snapshot()]);

test('a counter counts each label set apart', () => {
  const metrics = new WorkerMetrics();
  const requests = metrics.counter('requests', 'Requests', ['code']);
  requests.increment(['200']);
  requests.increment(['200'], 2);
  requests.increment(['404']);
  expect(rendered(metrics)).toContain('requests{code="200"} 3\nrequests{code="404"} 1\n');
});

test('a counter never goes down', () => {
  const metrics = new WorkerMetrics();
  const requests = metrics.counter('requests', 'Requests', []);
  requests.increment([], 5);
  requests.increment([], -3);
  requests.increment([], Number.NaN);
  expect(rendered(metrics)).toContain('requests 5\n');
});

test('a gauge keeps what it was set to last', () => {
  const metrics = new WorkerMetrics();
  const connections = metrics.gauge('connections', 'Connections', ['state']);
  connections.set(['active'], 7);
  connections.set(['active'], 3);
  expect(rendered(metrics)).toContain('connections{state="active"} 3\n');
});

test('a histogram puts a value into the first bucket that is large enough', () => {
  const metrics = new WorkerMetrics();
  const latency = metrics.histogram('latency', 'Latency', [], [10, 1]);
  for (const value of [0.5, 1, 1.1, 10, 11, Number.NaN]) latency.observe([], value);
  const [entry] = metrics.snapshot().metrics;
  expect(entry?.buckets).toEqual([1, 10]);
  expect([...(entry?.values ?? [])]).toEqual([2, 2, 1, 23.6]);
});

test('asking twice gives the same metric, asking for another kind of it is refused', () => {
  const metrics = new WorkerMetrics();
  metrics.counter('requests', 'Requests', ['code']).increment(['200']);
  metrics.counter('requests', 'Requests', ['code']).increment(['200']);
  expect(rendered(metrics)).toContain('requests{code="200"} 2\n');
  expect(() => metrics.gauge('requests', 'Requests', ['code'])).toThrow('is there already');
  expect(() => metrics.counter('requests', 'Requests', ['host'])).toThrow('is there already');
});

test('labels that the caller changes afterwards do not change what was counted', () => {
  const metrics = new WorkerMetrics();
  const requests = metrics.counter('requests', 'Requests', ['code']);
  const labels = ['200'];
  requests.increment(labels);
  labels[0] = '404';
  requests.increment(labels);
  expect(metrics.snapshot().metrics[0]?.labels).toEqual([['200'], ['404']]);
});

test('labels that only look alike when joined are counted apart', () => {
  const metrics = new WorkerMetrics();
  const requests = metrics.counter('requests', 'Requests', ['a', 'b']);
  requests.increment(['x,', 'y']);
  requests.increment(['x', ',y']);
  expect(metrics.snapshot().metrics[0]?.labels).toHaveLength(2);
});

test('a wrong number of labels is refused', () => {
  const requests = new WorkerMetrics().counter('requests', 'Requests', ['code']);
  expect(() => requests.increment([])).toThrow('0 values, 1 labels');
});

test('past 10,000 label sets further ones are counted as one', () => {
  const metrics = new WorkerMetrics();
  const requests = metrics.counter('requests', 'Requests', ['uri', 'host']);
  for (let i = 0; i < 10_500; i++) requests.increment([`/${i}`, 'h']);
  requests.increment(['/0', 'h']);
  const [entry] = metrics.snapshot().metrics;
  expect(entry?.labels).toHaveLength(10_001);
  expect(entry?.labels.at(-1)).toEqual(['overflow', 'overflow']);
  expect(entry?.values[10_000]).toBe(500);
  expect(entry?.values[0]).toBe(2);
});

test('a snapshot can be sent to another thread and does not move any more', () => {
  const metrics = new WorkerMetrics();
  const requests = metrics.counter('requests', 'Requests', []);
  requests.increment([]);
  const snapshot = metrics.snapshot();
  const sent = structuredClone(snapshot);
  requests.increment([]);
  expect(renderExposition([sent])).toBe(renderExposition([snapshot]));
  expect(renderExposition([sent])).toContain('requests 1\n');
});

test('a series that nothing is counted in expires, alone, and begins anew', async () => {
  const metrics = new WorkerMetrics();
  const requests = metrics.counter('requests', 'Requests', ['code'], { expireMs: 200 });
  const latency = metrics.histogram('latency', 'Latency', [], [1], { expireMs: 200 });
  const kept = metrics.counter('kept', 'Kept', []);
  kept.increment([]);
  latency.observe([], 0.5);
  requests.increment(['404'], 5);
  await vi.waitFor(
    () => {
      requests.increment(['200']);
      expect(rendered(metrics)).not.toContain('requests{code="404"}');
    },
    { timeout: 10_000 },
  );
  const text = rendered(metrics);
  expect(text).toMatch(/requests\{code="200"\} \d+\n/);
  expect(text).toContain('kept 1\n');
  expect(text).not.toContain('latency');
  requests.increment(['404']);
  latency.observe([], 2);
  expect(rendered(metrics)).toContain('requests{code="404"} 1\n');
  expect(rendered(metrics)).toContain('latency_bucket{le="1"} 0\nlatency_bucket{le="+Inf"} 1\n');
});
