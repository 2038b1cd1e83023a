import { validConf } from '@polygate/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { startService, type TestService } from '../http-call.harness.ts';
import { logRequests } from '../log-sinks/log-server.harness.ts';
import plugin from './clickhouse-logger.ts';

let server: TestService | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});
const start = async (status = 200): Promise<TestService> =>
  (server = await startService((_request, response) => response.writeHead(status).end('answer')));
const LONG = { timeout: 10_000 };
const account = { user: 'u', password: 'p', database: 'd', logtable: 't' };

test('a batch is an INSERT with an object a row', async () => {
  const { url, seen } = await start();
  const raw = {
    ...account,
    endpoint_addrs: [`${url}/db?x=1`],
    log_format: { m: '$request_method' },
  };
  await logRequests(plugin, raw, { requests: [{}, { method: 'PUT' }] });
  await vi.waitFor(() => expect(seen).toHaveLength(1), LONG);
  expect(seen[0]).toMatchObject({
    method: 'POST',
    path: '/db?x=1',
    headers: {
      'content-type': 'application/json',
      'x-clickhouse-user': 'u',
      'x-clickhouse-key': 'p',
      'x-clickhouse-database': 'd',
    },
    body:
      'INSERT INTO t FORMAT JSONEachRow ' + '{"route_id":"1","m":"GET"} {"route_id":"1","m":"PUT"}',
  });
});

test('an answer of 400 or more is a failure', async () => {
  const { url } = await start(404);
  const { log } = await logRequests(plugin, { ...account, endpoint_addr: url });
  await vi.waitFor(() => expect(log.join()).toContain('server returned status code[404]'), LONG);
});

test.each([
  [{ ...account }, 'value should match only one schema, but matches none'],
  [
    { ...account, endpoint_addr: 'http://a', endpoint_addrs: ['http://b'] },
    'value should match only one schema, but matches both schemas 1 and 2',
  ],
])('refuses %j', (raw, message) => {
  expect(() => validConf(plugin.definition, raw)).toThrow(message);
});
