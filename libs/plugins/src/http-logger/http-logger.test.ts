import { readFile, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestCertificates, mountPlugin, validConf } from '@polygate/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { startService, type TestService } from '../http-call.harness.ts';
import { logRequests } from '../log-sinks/log-server.harness.ts';
import plugin from './http-logger.ts';

let service: TestService | undefined;
afterEach(async () => {
  await service?.close();
  service = undefined;
});

async function sink(status = 200): Promise<TestService> {
  return (service = await startService((_request, response) => {
    response.writeHead(status).end('answer');
  }));
}
const LONG = { timeout: 10_000 };

test('entries go as a list of JSON, by POST, with the authorization of the conf', async () => {
  const { url, seen } = await sink();
  const raw = {
    uri: `${url}/in?x=1`,
    auth_header: 'Basic 123',
    log_format: { m: '$request_method' },
  };
  const requests = [{}, { method: 'PUT' }];
  const { log } = await logRequests(plugin, raw, { requests });
  await vi.waitFor(() => expect(seen).toHaveLength(1), LONG);
  expect(seen[0]).toMatchObject({
    method: 'POST',
    path: '/in?x=1',
    headers: { authorization: 'Basic 123', 'content-type': 'application/json', host: '127.0.0.1' },
  });
  expect(JSON.parse(seen[0]?.body ?? '')).toEqual([
    { m: 'GET', route_id: '1' },
    { m: 'PUT', route_id: '1' },
  ]);
  await vi.waitFor(() =>
    expect(log).toContain('debug: Batch Processor[http logger] successfully processed the entries'),
  );
});

test('new_line puts each entry on a line of its own', async () => {
  const { url, seen } = await sink();
  const raw = { uri: url, concat_method: 'new_line', log_format: { m: '$request_method' } };
  await logRequests(plugin, raw, { requests: [{}, {}] });
  await vi.waitFor(() => expect(seen).toHaveLength(1), LONG);
  expect(seen[0]?.headers['content-type']).toBe('text/plain');
  expect(seen[0]?.path).toBe('/');
  expect(seen[0]?.body).toBe('{"route_id":"1","m":"GET"}\n{"route_id":"1","m":"GET"}');
});

test('a batch of one is an object, and a request without a route says so', async () => {
  const { url, seen } = await sink();
  const requests = [{ route: null }];
  await logRequests(plugin, { uri: url, batch_max_size: 1 }, { requests });
  await vi.waitFor(() => expect(seen).toHaveLength(1), LONG);
  expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({
    route_id: 'no-matched',
    request: { method: 'GET' },
  });
  const log_format = { m: '$request_method' };
  await logRequests(plugin, { uri: url, batch_max_size: 1, log_format }, { requests });
  await vi.waitFor(() => expect(seen).toHaveLength(2), LONG);
  expect(JSON.parse(seen[1]?.body ?? '')).toEqual({ m: 'GET', route_id: 'no-matched' });
});

test('an answer of 400 or more is a failure, and the batch is sent again', async () => {
  const { url, seen } = await sink(503);
  const raw = { uri: url, max_retry_count: 1, retry_delay: 0, batch_max_size: 1 };
  const { log } = await logRequests(plugin, raw);
  await vi.waitFor(() => expect(seen).toHaveLength(2), LONG);
  expect(seen[0]?.body).toBe(seen[1]?.body);
  const port = new URL(url).port;
  await vi.waitFor(() => expect(log.join()).toContain('dropping the entries'));
  expect(log).toContain(
    'error: Batch Processor[http logger] failed to process entries: server returned status ' +
      `code[503] host[127.0.0.1] port[${port}] body[answer]`,
  );
});

test('a server that is not there, and one that does not speak TLS, are told apart', async () => {
  const { url } = await sink();
  const port = new URL(url).port;
  const tls = await logRequests(plugin, { uri: `https://127.0.0.1:${port}`, batch_max_size: 1 });
  await vi.waitFor(
    () => expect(tls.log.join()).toContain('failed to perform SSL with host['),
    LONG,
  );
  await service?.close();
  service = undefined;
  const gone = await logRequests(plugin, { uri: url, batch_max_size: 1 });
  await vi.waitFor(
    () =>
      expect(gone.log).toContain(
        'error: Batch Processor[http logger] failed to process entries: ' +
          `failed to connect to host[127.0.0.1] port[${port}] connection refused`,
      ),
    LONG,
  );
});

test('certificates are verified only where ssl_verify says so', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'http-logger-'));
  const files = await createTestCertificates(folder);
  const [cert, key] = await Promise.all([
    readFile(files.serverCertFile),
    readFile(files.serverKeyFile),
  ]);
  const bodies: string[] = [];
  const server = createServer({ cert, key }, (request, response) => {
    request.on('data', (chunk: Buffer) => bodies.push(chunk.toString()));
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const uri = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await logRequests(plugin, { uri, batch_max_size: 1 });
  await vi.waitFor(() => expect(bodies).toHaveLength(1), LONG);
  const strict = await logRequests(plugin, { uri, batch_max_size: 1, ssl_verify: true });
  await vi.waitFor(() => expect(strict.log.join()).toContain('failed to perform SSL'), LONG);
  expect(bodies).toHaveLength(1);
  server.close();
  await rm(folder, { recursive: true });
});

test('a request does not wait for a server that does not answer', async () => {
  service = await startService(() => undefined);
  const raw = { uri: service.url, batch_max_size: 1, timeout: 1 };
  const mounted = mountPlugin(plugin, validConf(plugin.definition, raw));
  expect((await mounted.request()).status).toBe(200);
  await vi.waitFor(() => expect(service?.seen).toHaveLength(1), LONG);
  expect(mounted.log.join()).not.toContain('timeout');
  await vi.waitFor(() => expect(mounted.log.join()).toContain('timeout'), LONG);
  mounted.dispose();
});

test.each([
  [{}, 'property "uri" is required'],
  [{ uri: '127.0.0.1' }, 'property "uri" validation failed'],
  [{ uri: 'http://a', concat_method: 'x' }, 'property "concat_method" validation failed'],
  [
    { uri: 'http://a', include_resp_body_expr: [['bar', '<>', 'foo']] },
    "failed to validate the 'include_resp_body_expr' expression: invalid operator '<>'",
  ],
])('refuses %j', (raw, message) => {
  expect(() => validConf(plugin.definition, raw)).toThrow(message);
});
