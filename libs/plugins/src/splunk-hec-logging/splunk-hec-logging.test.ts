import { hostname } from 'node:os';
import { validConf } from '@polygate/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { startService, type TestService } from '../http-call.harness.ts';
import { logRequests } from '../log-sinks/log-server.harness.ts';
import plugin from './splunk-hec-logging.ts';

let splunk: TestService | undefined;
afterEach(async () => {
  await splunk?.close();
  splunk = undefined;
});
const start = async (status = 200, body = '{"text":"Success"}'): Promise<TestService> =>
  (splunk = await startService((_request, response) => response.writeHead(status).end(body)));
const LONG = { timeout: 10_000 };

test('a batch is a row of events, with token and channel', async () => {
  const { url, seen } = await start();
  const endpoint = { uri: `${url}/services/collector`, token: 't', channel: 'c' };
  const requests = [{ target: '/hello?a=1', headers: { Host: 'x', 'X-A': '1' } }];
  const log_format_extra = { more: '$request_method', latency: 'no' };
  await logRequests(plugin, { endpoint, log_format_extra }, { requests });
  await vi.waitFor(() => expect(seen).toHaveLength(1), LONG);
  expect(seen[0]).toMatchObject({
    path: '/services/collector',
    headers: { authorization: 'Splunk t', 'x-splunk-request-channel': 'c' },
  });
  expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
    time: expect.any(Number),
    source: 'apache-apisix-splunk-hec-logging',
    sourcetype: '_json',
    host: hostname(),
    event: {
      request_url: 'http://x:9080/hello?a=1',
      request_method: 'GET',
      request_headers: { host: 'x', 'x-a': '1' },
      request_query: { a: '1' },
      request_size: 0,
      response_headers: {},
      response_status: 200,
      response_size: 12,
      latency: expect.any(Number),
      upstream: '127.0.0.1:1980',
      more: 'GET',
    },
  });
});

test('a log_format is the event', async () => {
  const { url, seen } = await start();
  const raw = { endpoint: { uri: url, token: 't' }, log_format: { m: '$request_method' } };
  await logRequests(plugin, raw, { requests: [{}, {}] });
  await vi.waitFor(() => expect(seen).toHaveLength(1), LONG);
  expect(seen[0]?.body.match(/"event":\{"route_id":"1","m":"GET"\}\}/g)).toHaveLength(2);
});

test.each([
  [403, '{"text":"Invalid token"}', 'failed to send splunk, Invalid token'],
  [502, '<html>', 'failed to send splunk, http status code: 502'],
])('an answer of %d is a failure', async (status, body, reason) => {
  const { url } = await start(status, body);
  const { log } = await logRequests(plugin, { endpoint: { uri: url, token: 't' } });
  await vi.waitFor(() => expect(log.join()).toContain(reason), LONG);
});

test('refuses a conf without a token', () => {
  expect(() => validConf(plugin.definition, { endpoint: { uri: 'http://a' } })).toThrow(
    'property "endpoint" validation failed: property "token" is required',
  );
});
