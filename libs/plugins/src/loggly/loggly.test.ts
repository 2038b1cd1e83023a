import { validConf } from '@polygate/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { startService, type TestService } from '../http-call.harness.ts';
import {
  logRequests,
  LONG,
  receiveUdp,
  type LogReceiver,
} from '../log-sinks/log-server.harness.ts';
import plugin from './loggly.ts';

const HOST = { Host: 'a.test' };
let service: TestService | undefined;
let receiver: LogReceiver | undefined;
afterEach(async () => {
  await service?.close();
  await receiver?.close();
  service = receiver = undefined;
});
const base = { customer_token: 'token-1', log_format: { m: '$request_method' } };
const JSON_TEXT = '{"route_id":"1","m":"GET"}';

test('an entry is a datagram of syslog, by the severity of its status', async () => {
  receiver = await receiveUdp();
  const metadata = { host: '127.0.0.1', port: receiver.port, protocol: 'syslog', timeout: 500 };
  const raw = {
    ...base,
    tags: ['apisix', 'b c'],
    severity: 'debug',
    severity_map: { '404': 'ALERT' },
  };
  const requests = [{ headers: HOST }, { headers: HOST, upstream: { status: 404 } }];
  await logRequests(plugin, raw, { requests, env: { metadata } });
  await vi.waitFor(() => expect(receiver?.messages).toHaveLength(2), LONG);
  const time = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z';
  const rest = `1 ${time} a\\.test apisix \\d+ - \\[token-1@41058 tag="apisix" tag="b c"\\] `;
  expect(receiver.messages[0]).toMatch(new RegExp(`^<15>${rest}`));
  expect(receiver.messages[0]).toContain(JSON_TEXT);
  expect(receiver.messages[1]).toMatch(new RegExp(`^<9>${rest}`));
});

test('over HTTP a batch is a line an entry', async () => {
  service = await startService((_request, response) => response.end('{"response":"ok"}'));
  const metadata = { host: service.url, protocol: 'http' };
  await logRequests(
    plugin,
    { ...base, tags: ['a', 'b'] },
    { requests: [{}, {}], env: { metadata } },
  );
  await vi.waitFor(() => expect(service?.seen).toHaveLength(1), LONG);
  expect(service.seen[0]).toMatchObject({
    method: 'POST',
    path: '/bulk/token-1/tag/bulk',
    headers: { 'content-type': 'application/json', 'x-loggly-tag': 'a,b' },
    body: `${JSON_TEXT}\n${JSON_TEXT}`,
  });
});

test('any other answer than 200 is a failure', async () => {
  service = await startService((_request, response) => response.writeHead(403).end('{"a":1}'));
  const metadata = { host: service.url, protocol: 'http' };
  const { log } = await logRequests(plugin, base, { env: { metadata } });
  const why = 'failed to send log to loggly, http status code: 403 response body: {"a":1}';
  await vi.waitFor(() => expect(log.join()).toContain(why), LONG);
});

test('tells of an address that is none, and not the token', async () => {
  const metadata = { host: 'no host', protocol: 'http' };
  const { log } = await logRequests(plugin, base, { env: { metadata } });
  await vi.waitFor(() => expect(log.join()).toContain('not an address: http://no host/'), LONG);
  expect(log.join()).not.toContain('token-1');
});

test.each([
  [{}, 'property "customer_token" is required'],
  [
    { ...base, severity: 'UNKNOWN' },
    'property "severity" validation failed: matches none of the enum',
  ],
  [{ ...base, tags: ['tag=a'] }, 'property "tags" validation failed: failed to validate item 1'],
  [{ ...base, severity_map: { '600': 'ERR' } }, 'additional properties forbidden, found 600'],
])('refuses %j', (raw, message) => {
  expect(() => validConf(plugin.definition, raw)).toThrow(message);
});
