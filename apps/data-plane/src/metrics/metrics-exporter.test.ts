import { memoryLog } from '@polygate/testing';
import { afterEach, expect, test } from 'vitest';
import type { MetricSnapshot } from './metric-snapshot.ts';
import { startMetricsExporter, type MetricsExporter } from './metrics-exporter.ts';
import { WorkerMetrics } from './worker-metrics.ts';

const uri = '/apisix/prometheus/metrics';
let exporter: MetricsExporter | undefined;
afterEach(async () => {
  await exporter?.close();
  exporter = undefined;
});

async function start(collect: () => Promise<readonly MetricSnapshot[]>, collectTimeoutMs = 5000) {
  const log = memoryLog();
  const at = { host: '127.0.0.1', port: 0, uri };
  exporter = await startMetricsExporter({ ...at, collect, collectTimeoutMs, log });
  const { port } = exporter;
  const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);
  return { get, log };
}

function snapshots(count: number): MetricSnapshot[] {
  const metrics = new WorkerMetrics();
  metrics.counter('apisix_http_status', 'HTTP status', ['code']).increment(['200']);
  return Array.from({ length: count }, () => metrics.snapshot());
}

test('a scrape gets the metrics of all workers in the text format', async () => {
  const { get } = await start(() => Promise.resolve(snapshots(3)));
  const response = await get(`${uri}?name=x`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(await response.text()).toContain('apisix_http_status{code="200"} 3\n');
});

test('another path and another method are not found', async () => {
  const { get } = await start(() => Promise.resolve(snapshots(1)));
  expect((await get('/')).status).toBe(404);
  expect((await get(uri, { method: 'POST', body: 'x' })).status).toBe(404);
});

test('a collection that fails is a 500 without the cause, and the next one works', async () => {
  let broken = true;
  const { get, log } = await start(() => {
    if (broken) throw new Error('worker 2 is gone');
    return Promise.resolve(snapshots(1));
  });
  const response = await get(uri);
  expect(response.status).toBe(500);
  expect(await response.text()).toBe('{"message":"Failed to retrieve metrics"}\n');
  expect(log.lines).toEqual(['error: Failed to collect metrics: Error: worker 2 is gone']);
  broken = false;
  expect((await get(uri)).status).toBe(200);
});

test('a collection that never ends is given up', async () => {
  const { get, log } = await start(() => Promise.withResolvers<never>().promise, 20);
  expect((await get(uri)).status).toBe(500);
  expect(log.lines[0]).toContain('no answer within 20 ms');
});

test('scrapes at the same time share one collection', async () => {
  let collections = 0;
  const gate = Promise.withResolvers<void>();
  const { get } = await start(async () => {
    collections += 1;
    await gate.promise;
    return snapshots(1);
  });
  const both = [get(uri), get(uri)];
  await expect.poll(() => collections).toBe(1);
  gate.resolve();
  expect((await Promise.all(both)).map(({ status }) => status)).toEqual([200, 200]);
  await (await get(uri)).text();
  expect(collections).toBeGreaterThanOrEqual(2);
});

test('a port that is taken is an error of the start', async () => {
  await start(() => Promise.resolve([]));
  const options = { host: '127.0.0.1', port: exporter!.port, uri };
  const collect = () => Promise.resolve([]);
  await expect(startMetricsExporter({ ...options, collect, log: memoryLog() })).rejects.toThrow(
    'EADDRINUSE',
  );
});
