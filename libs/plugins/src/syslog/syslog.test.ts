import { validConf } from '@polygate/testing';
import { expect, test, vi } from 'vitest';
import { logRequests, receiveTcp, receiveUdp } from '../log-sinks/log-server.harness.ts';
import plugin from './syslog.ts';

const LONG = { timeout: 10_000 };
const log_format = { m: '$request_method' };
const TIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;
const lineOf = (host: string, method: string): RegExp =>
  new RegExp(
    String.raw`^<46>1 ${TIME} ${host} apisix ${process.pid} - - \{"route_id":"1","m":"${method}"\}\n$`,
  );

test('over TCP a batch is one stream of lines in the format of RFC 5424', async () => {
  const server = await receiveTcp();
  const raw = { host: '127.0.0.1', port: server.port, log_format };
  const requests = [{ headers: { Host: 'x.test:80' } }, { method: 'PUT' }];
  const { log } = await logRequests(plugin, raw, { requests });
  await vi.waitFor(() => expect(server.messages).toHaveLength(1), LONG);
  const [first = '', second = ''] = (server.messages[0] ?? '').split(/(?<=\n)/);
  expect(first).toMatch(lineOf('x.test', 'GET'));
  expect(second).toMatch(lineOf('-', 'PUT'));
  expect(log).toContain(`info: sending a batch logs to 127.0.0.1:${server.port}`);
  await server.close();
});

test('over UDP each line is a datagram', async () => {
  const server = await receiveUdp();
  const raw = { host: '127.0.0.1', port: server.port, sock_type: 'udp', log_format };
  await logRequests(plugin, raw, { requests: [{}, { method: 'PUT' }] });
  await vi.waitFor(() => expect(server.messages).toHaveLength(2), LONG);
  expect(server.messages[0]).toMatch(lineOf('-', 'GET'));
  expect(server.messages[1]).toMatch(lineOf('-', 'PUT'));
  await server.close();
});

test('has the defaults of APISIX', () => {
  expect(validConf(plugin.definition, { host: 'a', port: 1 })).toMatchObject({
    flush_limit: 4096,
    drop_limit: 1_048_576,
    timeout: 3000,
    sock_type: 'tcp',
    pool_size: 5,
    tls: false,
    name: 'sys logger',
    batch_max_size: 1000,
    inactive_timeout: 5,
  });
});

test.each([
  [{ host: 'a' }, 'property "port" is required'],
  [{ host: 'a', port: '1' }, 'property "port" validation failed: wrong type: expected integer'],
  [{ host: 'a', port: 1, sock_type: 'unix' }, 'property "sock_type" validation failed'],
])('refuses %j', (raw, message) => {
  expect(() => validConf(plugin.definition, raw)).toThrow(message);
});
