import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startService, type TestService } from '../http-call.harness.ts';
import plugin from './forward-auth.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService(({ headers, body }, response) => {
    const who = headers.authorization ?? body;
    if (who === 'yes') response.writeHead(200, { 'X-User-ID': 'i-am-an-user' }).end();
    else if (who === 'plain') response.end();
    else response.writeHead(403, { Location: 'http://a.test/', 'X-Why': 'no' }).end('not you');
  });
});
afterAll(() => service.close());

const run = (raw: object, request: PluginRequest = {}) =>
  runPlugin(plugin, validConf(plugin.definition, { uri: service.url, ...raw }), request);
const authorized = { request_headers: ['Authorization'], upstream_headers: ['X-User-ID'] };

describe('forward-auth', () => {
  test('lets the request pass and gives the upstream what the service said of it', async () => {
    const { upstreamRequest } = await run(authorized, { headers: { Authorization: 'yes' } });
    expect(upstreamRequest?.headers.get('x-user-id')).toBe('i-am-an-user');
  });

  test('does not let the client speak for the service', async () => {
    const headers = { Authorization: 'plain', 'X-User-ID': 'root' };
    const { upstreamRequest } = await run(authorized, { headers });
    expect(upstreamRequest?.headers.has('x-user-id')).toBe(false);
  });

  test('gives the client the answer of the service, with the headers that are named', async () => {
    const { status, headers, text } = await run({ client_headers: ['Location', 'X-None'] });
    expect(status).toBe(403);
    expect(text).toBe('not you');
    expect(headers.get('location')).toBe('http://a.test/');
    expect(headers.has('x-why')).toBe(false);
    expect(headers.has('x-none')).toBe(false);
  });

  test('tells the service of the request in its own words, whatever the client says', async () => {
    await run(
      { request_headers: ['x-forwarded-host', 'X-Own'] },
      {
        target: '/hello?a=1',
        method: 'PUT',
        headers: { Host: 'a.test:80', 'X-Forwarded-Host': 'evil.test', 'X-Own': '1', 'X-Not': '2' },
        clientAddress: '192.0.2.1',
      },
    );
    const { method, headers } = service.seen.at(-1)!;
    expect(method).toBe('GET');
    expect(headers).toMatchObject({
      'x-forwarded-proto': 'http',
      'x-forwarded-method': 'PUT',
      'x-forwarded-host': 'a.test',
      'x-forwarded-uri': '/hello?a=1',
      'x-forwarded-for': '192.0.2.1',
      'x-own': '1',
    });
    expect(headers).not.toHaveProperty('x-not');
    expect(headers).not.toHaveProperty('content-length');
  });

  test('sends further headers, with variables', async () => {
    const extra = { extra_headers: { 'X-Tenant': 'abcd', 'X-From': 'a $remote_addr' } };
    await run(extra, { clientAddress: '192.0.2.1' });
    const { headers } = service.seen.at(-1)!;
    expect(headers).toMatchObject({ 'x-tenant': 'abcd', 'x-from': 'a 192.0.2.1' });
  });

  test('sends the body by POST in a frame of its own, and leaves it for the upstream', async () => {
    const request = {
      method: 'POST',
      body: 'yes',
      headers: { 'Transfer-Encoding': 'chunked', 'Content-Encoding': 'identity' },
    };
    const post = { request_method: 'POST', upstream_headers: ['X-User-ID'] };
    const { upstreamRequest } = await run(post, request);
    expect(upstreamRequest?.headers.get('x-user-id')).toBe('i-am-an-user');
    expect(upstreamRequest?.body?.toString()).toBe('yes');
    const { headers } = service.seen.at(-1)!;
    expect(headers).toMatchObject({ 'content-length': '3', 'content-encoding': 'identity' });
    expect(headers).not.toHaveProperty('transfer-encoding');
  });

  test('answers 413 to a body that is too large to be sent on', async () => {
    const { status, log } = await run(
      { request_method: 'POST', max_req_body_size: 3 },
      { method: 'POST', body: 'yes!' },
    );
    expect(status).toBe(413);
    expect(log[0]).toContain('failed to read request body');
  });

  test('lets nothing pass when a variable would start another header', async () => {
    const conf = { extra_headers: { 'X-User': '$arg_user' }, request_headers: ['Authorization'] };
    const request = { target: '/?user=a%0d%0aX-Admin:%201', headers: { Authorization: 'yes' } };
    const { status, log } = await run(conf, request);
    expect(status).toBe(403);
    expect(log[0]).toContain('failed to process forward auth, err: Invalid character');
  });

  test.each(['http://127.0.0.1:1', 'no address', 'ftp://127.0.0.1/'])(
    'lets nothing pass when the service cannot be asked at %s',
    async (uri) => {
      expect((await run({ uri })).status).toBe(403);
      expect((await run({ uri, status_on_error: 503 })).status).toBe(503);
      expect((await run({ uri, allow_degradation: true })).status).toBe(200);
    },
  );

  test.each([
    [{ uri: 3233 }, 'property "uri" validation failed: wrong type: expected string, got number'],
    [{ request_headers: 'test' }, 'expected array, got string'],
    [{ request_method: 'PUT' }, 'property "request_method" validation failed'],
  ])('refuses %j', (raw, message) => {
    expect(() => validConf(plugin.definition, { uri: 'http://a.test', ...raw })).toThrow(message);
  });
});
