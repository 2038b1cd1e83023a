import { generateKeyPairSync, verify } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { validConf } from '@polygate/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startService, type TestService } from '../http-call.harness.ts';
import { logRequests } from '../log-sinks/log-server.harness.ts';
import plugin from './google-cloud-logging.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PEM = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const LONG = { timeout: 10_000 };

let google: TestService;
let tokenStatus = 200;
beforeEach(async () => {
  tokenStatus = 200;
  google = await startService((request, response) => {
    const isToken = request.path === '/token';
    const token = { access_token: 'secret', token_type: 'Bearer', expires_in: 3600 };
    response.writeHead(isToken ? tokenStatus : 200).end(isToken ? JSON.stringify(token) : '{}');
  });
});
afterEach(async () => await google.close());

const auth = () => ({
  client_email: 'me@test',
  private_key: PEM,
  project_id: 'p1',
  token_uri: `${google.url}/token`,
  entries_uri: `${google.url}/entries`,
});
const written = () => google.seen.filter(({ path }) => path === '/entries');
const entries = (): Record<string, unknown>[] =>
  written().flatMap(({ body }) => (JSON.parse(body) as { entries: [] }).entries);

test('an entry is a request to Google, written with a token for a signed assertion', async () => {
  const request = {
    target: '/hello?a=1',
    headers: { Host: 'x.test', 'User-Agent': 'curl' },
    bytesReceived: 90,
    vars: { request_id: 'id1' },
  };
  await logRequests(plugin, { auth_config: auth() }, { requests: [request] });
  await vi.waitFor(() => expect(written()).toHaveLength(1), LONG);
  expect(written()[0]?.headers.authorization).toBe('Bearer secret');
  expect(JSON.parse(written()[0]?.body ?? '')).toMatchObject({ partialSuccess: false });
  expect(entries()).toEqual([
    {
      httpRequest: {
        requestMethod: 'GET',
        requestUrl: 'http://x.test:9080/hello?a=1',
        requestSize: 90,
        status: 200,
        responseSize: 12,
        userAgent: 'curl',
        remoteIp: '127.0.0.1',
        serverIp: '127.0.0.1:1980',
        latency: expect.stringMatching(/^\d+\.\d{3}s$/),
      },
      jsonPayload: { route_id: '1', service_id: '' },
      labels: { source: 'apache-apisix-google-cloud-logging' },
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      resource: { type: 'global' },
      insertId: 'id1',
      logName: 'projects/p1/logs/apisix.apache.org%2Flogs',
    },
  ]);
  const form = new URLSearchParams(google.seen[0]?.body);
  const [header = '', claims = '', signature = ''] = (form.get('assertion') ?? '').split('.');
  const signed = Buffer.from(`${header}.${claims}`);
  expect(verify('sha256', signed, publicKey, Buffer.from(signature, 'base64url'))).toBe(true);
  expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
    iss: 'me@test',
    aud: `${google.url}/token`,
    scope: expect.stringContaining('https://www.googleapis.com/auth/logging.write '),
  });
});

test('a log_format is the payload; log_format_extra adds to the one that is always there', async () => {
  const custom = { auth_config: auth(), log_format: { m: '$request_method' } };
  await logRequests(plugin, custom);
  await vi.waitFor(() => expect(entries()).toHaveLength(1), LONG);
  expect(entries()[0]).toMatchObject({ jsonPayload: { m: 'GET', route_id: '1' } });
  expect(entries()[0]).not.toHaveProperty('httpRequest');
  const extra = { auth_config: auth(), log_format_extra: { m: '$request_method', route_id: 'x' } };
  await logRequests(plugin, extra);
  await vi.waitFor(() => expect(entries()).toHaveLength(2), LONG);
  expect(entries()[1]).toMatchObject({ jsonPayload: { m: 'GET', route_id: '1', service_id: '' } });
});

test('one token serves many batches', async () => {
  const requests = [{}, {}, {}];
  await logRequests(plugin, { auth_config: auth(), batch_max_size: 1 }, { requests });
  await vi.waitFor(() => expect(written()).toHaveLength(3), LONG);
  const later = google.seen.length;
  expect(later).toBeLessThanOrEqual(6);
});

test('without a token nothing is written, and the reason is logged', async () => {
  tokenStatus = 401;
  const { log } = await logRequests(plugin, { auth_config: auth() });
  await vi.waitFor(() => expect(log.join()).toContain('failed to get google oauth token'), LONG);
  expect(log.join()).toContain('failed to refresh google oauth access token:');
  expect(written()).toEqual([]);
});

test('the account can be in a file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'google-'));
  const auth_file = join(folder, 'auth.json');
  writeFileSync(auth_file, JSON.stringify(auth()));
  await logRequests(plugin, { auth_file });
  await vi.waitFor(() => expect(written()).toHaveLength(1), LONG);
  rmSync(folder, { recursive: true });
  await logRequests(plugin, { auth_file });
  expect(written()).toHaveLength(1);
});

test.each([
  [{}, 'value should match only one schema, but matches none'],
  [{ auth_config: { private_key: 'k', project_id: 'p' } }, 'property "client_email" is required'],
])('refuses %j', (raw, message) => {
  expect(() => validConf(plugin.definition, raw)).toThrow(message);
});
