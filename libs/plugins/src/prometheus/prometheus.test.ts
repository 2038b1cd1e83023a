import { compileSchema } from '@polygate/model';
import { memoryMetrics, mountPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './prometheus.ts';

const conf = (raw: object = {}) => validConf(plugin.definition, raw);
const MODEL = ['traditional_http', '', ''];

async function measure(request: PluginRequest, raw: object = {}, env: object = {}) {
  const metrics = memoryMetrics();
  await mountPlugin(plugin, conf(raw), { metrics, ...env }).request(request);
  return metrics;
}

describe('prometheus', () => {
  const route = {
    id: '7',
    name: 'seven',
    serviceId: 's1',
    serviceName: 'backend',
    matchedPath: '/hello*',
    matchedHost: '*.example.com',
  };

  test('counts a status with everything it belongs to', async () => {
    const metrics = await measure({
      route,
      vars: { balancer_ip: '10.0.0.9' },
      upstream: { status: 201 },
    });
    expect(metrics.labelNames('apisix_http_status')).toEqual([
      ...['code', 'route', 'matched_uri', 'matched_host', 'service', 'consumer', 'node'],
      ...['request_type', 'request_llm_model', 'llm_model', 'response_source'],
    ]);
    expect(metrics.labelSets('apisix_http_status')).toEqual([
      ['201', '7', '/hello*', '*.example.com', 's1', '', '10.0.0.9', ...MODEL, 'upstream'],
    ]);
  });

  test('splits the latency between upstream and gateway', async () => {
    const startTimeMs = Date.now() - 500;
    const metrics = await measure({ route, startTimeMs, upstream: { responseTimeMs: 200 } });
    const observed = (type: string) =>
      metrics.observed('apisix_http_latency', [type, '7', 's1', '', '', ...MODEL]);
    const [requestMs = 0] = observed('request');
    expect(requestMs).toBeGreaterThanOrEqual(500);
    expect(observed('upstream')).toEqual([200]);
    expect(observed('apisix')).toEqual([requestMs - 200]);
  });

  test('never tells a negative latency of the gateway', async () => {
    const metrics = await measure({ upstream: { responseTimeMs: 60_000 } });
    const labels = ['apisix', '1', '', '', '', ...MODEL];
    expect(metrics.observed('apisix_http_latency', labels)).toEqual([0]);
  });

  test('counts bytes in both directions', async () => {
    const metrics = await measure({ bytesReceived: 321, upstream: { body: 'x'.repeat(1000) } });
    const bytes = (type: string) =>
      metrics.value('apisix_bandwidth', [type, '1', '', '', '', ...MODEL]);
    expect([bytes('ingress'), bytes('egress')]).toEqual([321, 1000]);
  });

  test('prefers names over ids on demand, where there are names', async () => {
    const named = await measure({ route }, { prefer_name: true });
    expect(named.labelSets('apisix_bandwidth')[0]?.slice(1, 3)).toEqual(['seven', 'backend']);
    const nameless = { ...route, name: undefined, serviceName: undefined };
    const unnamed = await measure({ route: nameless }, { prefer_name: true });
    expect(unnamed.labelSets('apisix_bandwidth')[0]?.slice(1, 3)).toEqual(['7', 's1']);
  });

  test('tells an upstream that failed from a gateway that answered itself', async () => {
    const failed = await measure({ upstream: null });
    expect(failed.labelSets('apisix_http_status')[0]).toEqual([
      ...['502', '1', '/*', '', '', '', ''],
      ...MODEL,
      'nginx',
    ]);
  });

  test('counts a request that no route matched', async () => {
    const metrics = await measure({ route: null });
    expect(metrics.labelSets('apisix_http_status')[0]?.slice(0, 6)).toEqual([
      ...['200', '', '', '', '', ''],
    ]);
  });

  test('empties disabled labels and adds those of the configuration file', async () => {
    const extra = [{ client: '$remote_addr' }, { missing: '$no_such' }];
    const env = {
      metadata: { disabled_labels: { bandwidth: ['route', 'node'] } },
      attr: { metric_prefix: 'gw_', metrics: { bandwidth: { extra_labels: extra } } },
    };
    const metrics = await measure({ route }, {}, env);
    expect(metrics.labelNames('gw_bandwidth').slice(-2)).toEqual(['client', 'missing']);
    expect(metrics.labelSets('gw_bandwidth')[0]).toEqual([
      ...['ingress', '', 's1', '', '', ...MODEL, '127.0.0.1', ''],
    ]);
  });

  test('lets no label be disabled that says what is measured', () => {
    const check = compileSchema(plugin.definition.metadataSchema!);
    expect(() =>
      check({ disabled_labels: { http_status: ['route', 'matched_uri'] } }),
    ).not.toThrow();
    expect(() => check({ disabled_labels: { http_status: ['code'] } })).toThrow('enum values');
    expect(() => check({ disabled_labels: { unknown: [] } })).toThrow('additional properties');
  });
});
