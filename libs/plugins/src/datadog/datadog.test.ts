import { validConf } from '@polygate/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { logRequests, receiveUdp, type LogReceiver } from '../log-sinks/log-server.harness.ts';
import plugin from './datadog.ts';

let agent: LogReceiver;
beforeEach(async () => void (agent = await receiveUdp()));
afterEach(async () => await agent.close());

const LONG = { timeout: 10_000 };
const route = {
  id: '7',
  name: 'seven',
  matchedPath: '/hello*',
  serviceId: 's1',
  serviceName: 'backend',
};
const consumer = {
  username: 'jack',
  groupId: undefined,
  labels: undefined,
  customId: undefined,
  credentialId: undefined,
  authConf: {},
};

async function metricsOf(raw: object, more: object = {}, request: object = {}): Promise<string[]> {
  const metadata = { host: '127.0.0.1', port: agent.port, ...more };
  const vars = { balancer_ip: '10.0.0.9', upstream_scheme: 'http', method: 'GET' };
  const requests = [
    { route, vars, bytesReceived: 90, upstream: { responseTimeMs: 3 }, ...request },
  ];
  await logRequests(plugin, raw, { requests, env: { metadata } });
  await vi.waitFor(() => expect(agent.messages.length).toBeGreaterThan(0), LONG);
  return agent.messages.flatMap((text) => text.split('\n'));
}

test('a request is six metrics in one datagram, with tags of what it belongs to', async () => {
  const lines = await metricsOf({});
  expect(agent.messages).toHaveLength(1);
  const tags =
    '|#source:apisix,route_name:seven,service_name:backend,balancer_ip:10.0.0.9,' +
    'response_status:200,response_status_class:2xx,scheme:http';
  expect(lines).toEqual([
    `apisix.request.counter:1|c${tags}`,
    expect.stringMatching(/^apisix\.request\.latency:\d+\|h\|#/),
    `apisix.upstream.latency:3|h${tags}`,
    expect.stringMatching(/^apisix\.apisix\.latency:\d+\|h\|#/),
    `apisix.ingress.size:90|ms${tags}`,
    `apisix.egress.size:12|ms${tags}`,
  ]);
});

test('ids, path, method, consumer and constant tags come where the conf says so', async () => {
  const raw = {
    prefer_name: false,
    include_path: true,
    include_method: true,
    constant_tags: ['zone:a'],
  };
  const more = { namespace: '', constant_tags: ['one', 'two:2'] };
  const atUpstream = (ctx: { consumer: unknown }) => void (ctx.consumer = consumer);
  const [counter] = await metricsOf(raw, more, { atUpstream });
  expect(counter).toBe(
    'request.counter:1|c|#one,two:2,zone:a,route_name:7,path:/hello*,method:GET,service_name:s1,' +
      'consumer:jack,balancer_ip:10.0.0.9,response_status:200,response_status_class:2xx,scheme:http',
  );
});

test('what is too much for a datagram goes in one each', async () => {
  const constant_tags = Array.from({ length: 20 }, (_, i) => `t${i}:${'x'.repeat(100)}`);
  await metricsOf({ constant_tags });
  await vi.waitFor(() => expect(agent.messages).toHaveLength(6), LONG);
});

test.each([
  [{ constant_tags: ['1a'] }, 'property "constant_tags" validation failed'],
  [{ constant_tags: ['a:'] }, 'property "constant_tags" validation failed'],
  [{ constant_tags: [''] }, 'property "constant_tags" validation failed'],
])('refuses %j', (raw, message) => {
  expect(() => validConf(plugin.definition, raw)).toThrow(message);
});

test('a tag may have letters of any alphabet', () => {
  expect(validConf(plugin.definition, { constant_tags: ['ä:1_.:/-x'] })).toMatchObject({
    constant_tags: ['ä:1_.:/-x'],
  });
});
