import { loadPlugins } from '@polygate/plugins';
import { mountPlugin } from '@polygate/testing';
import { expect, test } from 'vitest';
import { renderExposition } from './exposition.ts';
import { WorkerMetrics } from './worker-metrics.ts';

test('what the prometheus plugin counts in two workers is exposed as APISIX spells it', async () => {
  const plugin = (await loadPlugins(['prometheus'])).get('prometheus');
  const workers = [new WorkerMetrics(), new WorkerMetrics()];
  for (const metrics of workers) {
    const mounted = mountPlugin(plugin!, { prefer_name: false }, { metrics });
    const request = { bytesReceived: 100, vars: { balancer_ip: '127.0.0.1' } };
    await mounted.request({ ...request, upstream: { body: 'x'.repeat(50), responseTimeMs: 7 } });
    await mounted.request({ ...request, upstream: { status: 503, responseTimeMs: 70 } });
  }
  const lines = renderExposition(workers.map((metrics) => metrics.snapshot())).split('\n');
  const tail =
    'route="1",service="",consumer="",node="127.0.0.1",' +
    'request_type="traditional_http",request_llm_model="",llm_model=""';
  const status =
    'route="1",matched_uri="/*",matched_host="",service="",consumer="",node="127.0.0.1",' +
    'request_type="traditional_http",request_llm_model="",llm_model="",response_source="upstream"';
  expect(lines).toEqual(
    expect.arrayContaining([
      `apisix_http_status{code="200",${status}} 2`,
      `apisix_http_status{code="503",${status}} 2`,
      `apisix_bandwidth{type="ingress",${tail}} 400`,
      `apisix_bandwidth{type="egress",${tail}} 124`,
      `apisix_http_latency_bucket{type="upstream",${tail},le="5"} 0`,
      `apisix_http_latency_bucket{type="upstream",${tail},le="10"} 2`,
      `apisix_http_latency_bucket{type="upstream",${tail},le="100"} 4`,
      `apisix_http_latency_sum{type="upstream",${tail}} 154`,
      `apisix_http_latency_count{type="request",${tail}} 4`,
    ]),
  );
});
