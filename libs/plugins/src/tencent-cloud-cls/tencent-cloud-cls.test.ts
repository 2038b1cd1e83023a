import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import protobuf from 'protobufjs';
import { validConf } from '@polygate/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { logRequests } from '../log-sinks/log-server.harness.ts';
import { signature } from './cls-api.ts';
import plugin from './tencent-cloud-cls.ts';

const PROTO = `syntax = "proto2";
message Content { required string key = 1; required string value = 2; }
message Log { required int64 time = 1; repeated Content contents = 2; }
message LogGroup { repeated Log logs = 1; optional string source = 4; }
message LogGroupList { repeated LogGroup logGroupList = 1; }`;
const list = protobuf.parse(PROTO, { keepCase: true }).root.lookupType('LogGroupList');
const LONG = { timeout: 10_000 };

let status = 200;
const seen: { path: string; authorization: string; logs: Record<string, string>[] }[] = [];
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { logGroupList } = list.toObject(list.decode(Buffer.concat(chunks)));
    const logs = (logGroupList[0].logs ?? []).map(({ contents }: { contents: [] }) =>
      Object.fromEntries(contents.map(({ key, value }) => [key, value])),
    );
    const { authorization = '' } = request.headers;
    seen.push({ path: request.url ?? '', authorization, logs });
    response.writeHead(status).end('answer');
  });
});
beforeEach(async () => {
  status = 200;
  seen.length = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
});

const conf = (more: object = {}) => ({
  scheme: 'http',
  cls_host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
  cls_topic: 't1',
  secret_id: 'id',
  secret_key: 'key',
  ...more,
});

test('entries go as texts in a signed group of logs, with the tags of the conf', async () => {
  const log_format = { m: '$request_method', s: '$status', deep: { a: 1 } };
  const raw = conf({ log_format, global_tag: { m: 'tag', n: 7 } });
  await logRequests(plugin, raw, { requests: [{}, {}] });
  await vi.waitFor(() => expect(seen).toHaveLength(1), LONG);
  expect(seen[0]?.path).toBe('/structuredlog?topic_id=t1');
  const signed = new URLSearchParams(seen[0]?.authorization);
  expect(signed.get('q-ak')).toBe('id');
  expect(signed.get('q-sign-time')).toMatch(/^\d+;\d+$/);
  expect(signed.get('q-signature')).toMatch(/^[\da-f]{40}$/);
  const entry = { route_id: '1', m: 'tag', s: '200', deep: '{"a":1}', n: '7' };
  expect(seen[0]?.logs).toEqual([entry, entry]);
});

test('signs as the documentation of the service says', () => {
  // the number is worked out with Python's hmac
  expect(signature('AKID', 'SECRET', 1_510_109_254)).toBe(
    'q-sign-algorithm=sha1&q-ak=AKID&q-sign-time=1510109254;1510109314' +
      '&q-key-time=1510109254;1510109314&q-header-list=&q-url-param-list=' +
      '&q-signature=fe3f2feada14d62b5ee5825539fefbf4e57f1b29',
  );
});

test('only sampled requests are sent', async () => {
  const random = vi.spyOn(Math, 'random').mockReturnValue(0.5);
  await logRequests(plugin, conf({ sample_ratio: 0.4 }));
  await logRequests(plugin, conf({ sample_ratio: 0.6, log_format: { m: 'in' } }));
  random.mockRestore();
  await vi.waitFor(() => expect(seen).toHaveLength(1), LONG);
  expect(seen[0]?.logs).toMatchObject([{ m: 'in' }]);
});

test('what the service refuses for good is not sent again, what fails is', async () => {
  status = 403;
  const raw = conf({ max_retry_count: 1, retry_delay: 0, batch_max_size: 1 });
  const refused = await logRequests(plugin, raw);
  await vi.waitFor(() => expect(refused.log.join()).toContain('not retryable'), LONG);
  expect(seen).toHaveLength(1);
  status = 500;
  const failed = await logRequests(plugin, raw);
  await vi.waitFor(() => expect(failed.log.join()).toContain('dropping the entries'), LONG);
  expect(seen).toHaveLength(3);
});

test.each([
  [{ cls_host: 'a' }, 'property "cls_topic" is required'],
  [
    { cls_host: 'a', cls_topic: 't', secret_id: 'i', secret_key: 'k', sample_ratio: 2 },
    'sample_ratio',
  ],
])('refuses %j', (raw, message) => {
  expect(() => validConf(plugin.definition, raw)).toThrow(message);
});
