import { expect, test } from 'vitest';
import { renderExposition } from './exposition.ts';
import { WorkerMetrics } from './worker-metrics.ts';

function worker(code: string, latenciesMs: readonly number[]) {
  const metrics = new WorkerMetrics();
  metrics.counter('apisix_http_status', 'HTTP status', ['code', 'route']).increment([code, '1']);
  const latency = metrics.histogram('apisix_http_latency', 'Latency', ['type'], [1, 50]);
  for (const latencyMs of latenciesMs) latency.observe(['request'], latencyMs);
  metrics.gauge('apisix_connections', 'Connections', []).set([], latenciesMs.length);
  return metrics.snapshot();
}

test('the series of several workers are added up', () => {
  const text = renderExposition([worker('200', [0.5, 20]), worker('200', [20.25, 99])]);
  expect(text).toBe(`# HELP apisix_connections Connections
# TYPE apisix_connections gauge
apisix_connections 4
# HELP apisix_http_latency Latency
# TYPE apisix_http_latency histogram
apisix_http_latency_bucket{type="request",le="1"} 1
apisix_http_latency_bucket{type="request",le="50"} 3
apisix_http_latency_bucket{type="request",le="+Inf"} 4
apisix_http_latency_count{type="request"} 4
apisix_http_latency_sum{type="request"} 139.75
# HELP apisix_http_status HTTP status
# TYPE apisix_http_status counter
apisix_http_status{code="200",route="1"} 2
`);
});

test('a series that only one worker has is there as well', () => {
  const text = renderExposition([worker('200', []), worker('503', [])]);
  expect(text).toContain('{code="200",route="1"} 1\napisix_http_status{code="503",route="1"} 1\n');
});

test('adding up leaves the snapshots as they were', () => {
  const first = worker('200', [1]);
  const before = structuredClone(first);
  renderExposition([first, worker('200', [1])]);
  expect(first).toEqual(before);
});

test('label values and help texts cannot break out of their line', () => {
  const metrics = new WorkerMetrics();
  metrics.counter('a', 'one\ntwo\\', ['uri']).increment(['/"x"\\y\nz 1']);
  expect(renderExposition([metrics.snapshot()])).toBe(
    '# HELP a one\\ntwo\\\\\n# TYPE a counter\na{uri="/\\"x\\"\\\\y\\nz 1"} 1\n',
  );
});

test('numbers beyond all bounds are spelled as Prometheus reads them', () => {
  const metrics = new WorkerMetrics();
  const gauge = metrics.gauge('a', 'A', ['n']);
  gauge.set(['1'], Infinity);
  gauge.set(['2'], -Infinity);
  gauge.set(['3'], Number.NaN);
  const lines = renderExposition([metrics.snapshot()]).split('\n');
  expect(lines.slice(2, 5)).toEqual(['a{n="1"} +Inf', 'a{n="2"} -Inf', 'a{n="3"} NaN']);
});

test('a metric without series, and no metrics at all, give nothing', () => {
  const metrics = new WorkerMetrics();
  metrics.counter('a', 'A', []);
  expect(renderExposition([metrics.snapshot()])).toBe('');
  expect(renderExposition([])).toBe('');
});
