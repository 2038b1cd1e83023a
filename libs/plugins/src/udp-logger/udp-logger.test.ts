import { validConf } from '@polygate/testing';
import { expect, test, vi } from 'vitest';
import { logRequests, LONG, receiveUdp, socketMessages } from '../log-sinks/log-server.harness.ts';
import plugin from './udp-logger.ts';

test('a batch is a datagram with a list of JSON, a batch of one an object', async () => {
  const server = await receiveUdp();
  expect(await socketMessages(plugin, server)).toEqual([
    '[{"route_id":"1","m":"GET"},{"route_id":"1","m":"PUT"}]',
    '{"route_id":"1","m":"GET"}',
  ]);
  await server.close();
});

test('what does not fit into a datagram is dropped, and said to be', async () => {
  const server = await receiveUdp();
  const raw = { host: '127.0.0.1', port: server.port, log_format: { h: 'x'.repeat(70_000) } };
  const { log } = await logRequests(plugin, raw);
  await vi.waitFor(() => expect(log.join()).toContain('dropping the entries'), LONG);
  expect(log.join()).toContain(
    `failed to send data to UDP server: host[127.0.0.1] port[${server.port}] err:message too long`,
  );
  await server.close();
});

test('refuses a conf without host or port', () => {
  expect(() => validConf(plugin.definition, { port: 1 })).toThrow('property "host" is required');
  expect(() => validConf(plugin.definition, { host: 'a' })).toThrow('property "port" is required');
});
