import { validConf } from '@polygate/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { startBroker, type TestBroker } from '../kafka/kafka-broker.harness.ts';
import { logRequests, LONG } from '../log-sinks/log-server.harness.ts';
import plugin from './kafka-logger.ts';

let broker: TestBroker | undefined;
afterEach(async () => {
  await broker?.close();
  broker = undefined;
});
const format = { log_format: { m: '$request_method' } };

test('a batch is a record with a list of entries, under the key of the conf', async () => {
  broker = await startBroker();
  const brokers = [{ host: '127.0.0.1', port: broker.port }];
  const raw = { brokers, kafka_topic: 'test2', key: 'key1', ...format };
  await logRequests(plugin, raw, { requests: [{}, { method: 'PUT' }] });
  await vi.waitFor(() => expect(broker?.records).toHaveLength(1), LONG);
  expect(broker.records[0]).toEqual({
    ...{ topic: 'test2', partition: 0, acks: 1, key: 'key1' },
    value: '[{"route_id":"1","m":"GET"},{"route_id":"1","m":"PUT"}]',
  });
});

test('the original request is its head, and its body where that is wanted', async () => {
  broker = await startBroker();
  const raw = {
    broker_list: { '127.0.0.1': broker.port },
    kafka_topic: 't',
    meta_format: 'origin',
    include_req_body: true,
    batch_max_size: 1,
  };
  const headers = { Host: 'a.test', 'X-A': 'b' };
  const vars = { request: 'POST /a?b=c HTTP/1.1' };
  await logRequests(plugin, raw, { requests: [{ method: 'POST', headers, body: 'abcdef', vars }] });
  await vi.waitFor(() => expect(broker?.records).toHaveLength(1), LONG);
  expect(broker.records[0]?.value).toMatch(
    /^POST \/a\?b=c HTTP\/1\.1\r\nhost: a\.test\r\nx-a: b\r\n(content-length: 6\r\n)?\r\nabcdef$/,
  );
});

test('a cluster that is not there is named in the log', async () => {
  const raw = { broker_list: { '127.0.0.1': 1 }, kafka_topic: 't', timeout: 1 };
  const { log } = await logRequests(plugin, raw);
  const why = 'failed to send data to Kafka topic: 127.0.0.1:1: connection refused';
  await vi.waitFor(() => expect(log.join()).toContain(why), LONG);
});

test.each([
  [{ kafka_topic: 't' }, 'value should match only one schema, but matches none'],
  [{ broker_list: {}, kafka_topic: 't' }, 'expect object to have at least 1 properties'],
  [{ broker_list: { a: 0 }, kafka_topic: 't' }, 'expected 0 to be at least 1'],
  [{ brokers: [{ host: 'a' }], kafka_topic: 't' }, 'property "port" is required'],
  [
    { broker_list: { a: 1 }, kafka_topic: 't', required_acks: 0 },
    'matches none of the enum values',
  ],
])('refuses %j', (raw, message) => {
  expect(() => validConf(plugin.definition, raw)).toThrow(message);
});
