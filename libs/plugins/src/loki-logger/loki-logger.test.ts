import { validConf } from '@polygate/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { startService, type TestService } from '../http-call.harness.ts';
import { logRequests } from '../log-sinks/log-server.harness.ts';
import plugin from './loki-logger.ts';

let loki: TestService | undefined;
afterEach(async () => {
  await loki?.close();
  loki = undefined;
});
const start = async (status = 204): Promise<TestService> =>
  (loki = await startService((_request, response) => {
    response.writeHead(status).end(status === 204 ? undefined : 'too old');
  }));
const LONG = { timeout: 10_000 };
const log_format = { m: '$request_method' };

test('entries are pushed with their time in nanoseconds, tenant and headers of the conf', async () => {
  const { url, seen } = await start();
  const raw = { endpoint_addrs: [url], tenant_id: 't1', headers: { 'X-More': 'yes' }, log_format };
  await logRequests(plugin, raw, { requests: [{ startTimeMs: 1_700_000_000_123 }] });
  await vi.waitFor(() => expect(seen).toHaveLength(1), LONG);
  expect(seen[0]).toMatchObject({
    method: 'POST',
    path: '/loki/api/v1/push',
    headers: { 'x-scope-orgid': 't1', 'content-type': 'application/json', 'x-more': 'yes' },
  });
  expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
    streams: [
      {
        stream: { job: 'apisix' },
        values: [['1700000000123000000', '{"route_id":"1","m":"GET"}']],
      },
    ],
  });
});

test('entries with the same labels are one stream; labels are filled in for each request', async () => {
  const { url, seen } = await start();
  const log_labels = { method: '$request_method', 'a"b': 'c', none: '$no_such' };
  const raw = { endpoint_addrs: [url], endpoint_uri: '/x', log_labels, log_format };
  const requests = [{}, { method: 'PUT' }, {}];
  await logRequests(plugin, raw, { requests });
  await vi.waitFor(() => expect(seen).toHaveLength(1), LONG);
  expect(seen[0]?.path).toBe('/x');
  const { streams } = JSON.parse(seen[0]?.body ?? '');
  const counts = streams.map(({ stream, values }: { stream: object; values: object[] }) => ({
    ...stream,
    entries: values.length,
  }));
  // what cannot be filled in stays as it is written
  expect(counts).toEqual([
    { method: 'GET', 'a"b': 'c', none: '$no_such', entries: 2 },
    { method: 'PUT', 'a"b': 'c', none: '$no_such', entries: 1 },
  ]);
});

test('an answer of 300 or more is a failure', async () => {
  const { url } = await start(400);
  const { log } = await logRequests(
    plugin,
    { endpoint_addrs: [url] },
    { requests: [{ route: null }] },
  );
  await vi.waitFor(
    () =>
      expect(log).toContain(
        'error: Batch Processor[loki logger] failed to process entries: ' +
          'loki server returned status: 400, body: too old',
      ),
    LONG,
  );
  expect(loki?.seen[0]?.body).toContain(String.raw`\"route_id\":\"no-matched\"`);
});

test.each([
  [{}, 'property "endpoint_addrs" is required'],
  [{ endpoint_addrs: [] }, 'property "endpoint_addrs" validation failed'],
  [{ endpoint_addrs: ['127.0.0.1'] }, 'property "endpoint_addrs" validation failed'],
  [{ endpoint_addrs: ['http://a'], timeout: 60_001 }, 'property "timeout" validation failed'],
])('refuses %j', (raw, message) => {
  expect(() => validConf(plugin.definition, raw)).toThrow(message);
});
