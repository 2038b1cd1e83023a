import { validConf } from '@polygate/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { startService, type TestService } from '../http-call.harness.ts';
import { logRequests, LONG } from '../log-sinks/log-server.harness.ts';
import plugin from './elasticsearch-logger.ts';

let server: TestService | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

/** `version`: as Elasticsearch says it; undefined: an answer that is none. */
const start = async (version: string | undefined, bulkStatus = 200): Promise<TestService> =>
  (server = await startService((request, response) => {
    if (request.path === '/_bulk') response.writeHead(bulkStatus).end('{"errors":false}');
    else
      response.end(
        version === undefined ? 'ready' : JSON.stringify({ version: { number: version } }),
      );
  }));
const format = { log_format: { m: '$request_method' } };

test.each([
  ['8.19.0', '{"index":{"_index":"services"}}\n'],
  ['6.8.23', '{"index":{"_index":"services","_type":"_doc"}}\n'],
])('a batch for version %s has an action and an entry a request', async (version, action) => {
  const { url, seen } = await start(version);
  const raw = {
    endpoint_addrs: [url],
    field: { index: 'services' },
    auth: { username: 'elastic', password: '123456' },
    ...format,
  };
  await logRequests(plugin, raw, { requests: [{}, { method: 'PUT' }] });
  await vi.waitFor(() => expect(seen).toHaveLength(2), LONG);
  const authorization = `Basic ${Buffer.from('elastic:123456').toString('base64')}`;
  expect(seen[0]).toMatchObject({ method: 'GET', path: '/', headers: { authorization } });
  expect(seen[1]).toMatchObject({
    method: 'POST',
    path: '/_bulk',
    headers: {
      authorization,
      'content-type': 'application/x-ndjson',
      accept: 'application/vnd.elasticsearch+json',
    },
    body: `${action}{"route_id":"1","m":"GET"}\n${action}{"route_id":"1","m":"PUT"}\n`,
  });
});

test('headers of the conf come before the account', async () => {
  const { url, seen } = await start('9.1.0');
  const raw = {
    endpoint_addr: url,
    field: { index: '$host' },
    auth: { username: 'a', password: 'b' },
    headers: { Authorization: 'ApiKey x' },
    ...format,
  };
  await logRequests(plugin, raw);
  await vi.waitFor(() => expect(seen).toHaveLength(2), LONG);
  expect(seen[1]?.headers['authorization']).toBe('ApiKey x');
});

test('a version that cannot be had does not keep entries back; a refusal is a failure', async () => {
  const { url } = await start(undefined, 403);
  const raw = { endpoint_addr: url, field: { index: 'services' }, ...format };
  const { log } = await logRequests(plugin, raw);
  await vi.waitFor(
    () => expect(log.join()).toContain('elasticsearch server returned status: 403, body: {'),
    LONG,
  );
  expect(log.join()).toContain(
    'failed to get Elasticsearch version: failed to decode response body',
  );
});

const address = { endpoint_addr: 'http://127.0.0.1:9200' };
const field = { index: 'services' };
test.each([
  [{ ...address }, 'value should match only one schema, but matches none'],
  [{ ...address, field: {} }, 'property "field" validation failed: property "index" is required'],
  [
    { endpoint_addr: 'http://127.0.0.1:9200/', field },
    'property "endpoint_addr" validation failed: failed to match pattern "[^/]$" with ' +
      '"http://127.0.0.1:9200/"',
  ],
  [{ ...address, field, auth: { username: 'a' } }, 'property "auth" validation failed'],
  [{ ...address, field, headers: {} }, 'expect object to have at least 1 properties'],
])('refuses %j', (raw, message) => {
  expect(() => validConf(plugin.definition, raw)).toThrow(message);
});
