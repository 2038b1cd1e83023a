import { expect, test } from 'vitest';
import { renderExposition } from './exposition.ts';
import { processMetrics, WorkerTraffic } from './gateway-metrics.ts';
import { WorkerMetrics } from './worker-metrics.ts';

const lines = (...workers: readonly WorkerMetrics[]) =>
  renderExposition(workers.map((worker) => worker.snapshot())).split('\n');

test('connections and requests of all workers are told by state', () => {
  const workers = [1, 2].map(() => {
    const metrics = new WorkerMetrics();
    const traffic = new WorkerTraffic(metrics);
    for (let i = 0; i < 3; i++) traffic.connectionOpened();
    traffic.connectionClosed();
    traffic.requestStarted();
    traffic.requestEnded();
    traffic.requestStarted();
    traffic.publish();
    return metrics;
  });
  const state = (name: string) => `apisix_nginx_http_current_connections{state="${name}"}`;
  expect(lines(...workers)).toEqual(
    expect.arrayContaining([
      'apisix_http_requests_total 4',
      `${state('accepted')} 6`,
      `${state('active')} 4`,
      `${state('waiting')} 2`,
      `${state('writing')} 2`,
    ]),
  );
});

test('the process tells who it is and what it knows', () => {
  const metrics = new WorkerMetrics();
  const about = processMetrics(metrics, 'gw_');
  about.nodeInfo('host-1', '3.18.0');
  about.etcdReachable(true);
  about.etcdReachable(false);
  about.etcdModifyIndex('routes', 42);
  about.upstreamStatus({ name: '/apisix/upstreams/1', ip: '10.0.0.1', port: 80 }, true);
  expect(lines(metrics).filter((line) => line !== '' && !line.startsWith('#'))).toEqual([
    'gw_etcd_modify_indexes{key="routes"} 42',
    'gw_etcd_reachable 0',
    'gw_node_info{hostname="host-1",version="3.18.0"} 1',
    'gw_upstream_status{name="/apisix/upstreams/1",ip="10.0.0.1",port="80"} 1',
  ]);
});
