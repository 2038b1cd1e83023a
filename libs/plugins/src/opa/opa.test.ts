import type { ConsumerMatch } from '@polygate/plugin-sdk';
import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startService, type TestService } from '../http-call.harness.ts';
import plugin from './opa.ts';

// An OPA server with one policy, whose decision is what the request carries in its X-Decision header.
let service: TestService;
beforeAll(async () => {
  service = await startService(({ body }, response) => {
    const { input } = JSON.parse(body) as {
      input: { request: { headers: Record<string, string> } };
    };
    response.end(input.request.headers['x-decision'] ?? '');
  });
});
afterAll(() => service.close());

const conf = (raw: object = {}) =>
  validConf(plugin.definition, { host: service.url, policy: 'example', ...raw });

function run(decision: unknown, raw: object = {}, request: PluginRequest = {}) {
  const text = typeof decision === 'string' ? decision : JSON.stringify(decision);
  const headers = { 'X-Decision': text, ...request.headers };
  return runPlugin(plugin, conf(raw), { ...request, headers });
}

const lastInput = () =>
  (JSON.parse(service.seen.at(-1)!.body) as { input: Record<string, unknown> }).input;

describe('opa', () => {
  test('lets pass what the policy allows', async () => {
    const { status } = await run({ result: { allow: true } });
    expect(status).toBe(200);
    expect(service.seen.at(-1)).toMatchObject({ method: 'POST', path: '/v1/data/example' });
  });

  test('answers 403, or as the policy says', async () => {
    expect((await run({ result: { allow: false } })).status).toBe(403);
    expect((await run({ result: {} })).status).toBe(403);
    expect((await run({ result: { allow: null } })).status).toBe(403);
    const result = { allow: false, status_code: 302, headers: { Location: '/login', 'X-N': 1 } };
    const { status, headers } = await run({ result });
    expect(status).toBe(302);
    expect(headers.get('location')).toBe('/login');
    expect(headers.get('x-n')).toBe('1');
    expect((await run({ result: { allow: false, status_code: 7 } })).status).toBe(403);
  });

  test.each([
    ['a text', 'a text'],
    [{ code: 40001 }, '{"code":40001}'],
    [{ info: [] }, '{"info":[]}'],
  ])('gives the reason %j', async (reason, text) => {
    expect((await run({ result: { allow: false, reason } })).text).toBe(text);
  });

  test('lets no decision start a header of its own', async () => {
    const result = { allow: false, headers: { 'X-A': 'a\r\nX-B: b', 'X-C\r\nX-D': 'x' } };
    const { headers } = await run({ result });
    expect(headers.get('x-a')).toBe('a%0D%0AX-B: b');
    expect(headers.size).toBe(1);
  });

  test('gives the upstream the headers of the decision, and none of the client', async () => {
    const raw = { send_headers_upstream: ['user', 'X-Foo'] };
    const request = { headers: { user: 'root', 'X-Foo': 'mine' } };
    const result = { allow: true, headers: { user: 'none', other: 'x' } };
    const { upstreamRequest } = await run({ result }, raw, request);
    expect(upstreamRequest?.headers.get('user')).toBe('none');
    expect(upstreamRequest?.headers.has('x-foo')).toBe(false);
    expect(upstreamRequest?.headers.has('other')).toBe(false);
  });

  test('asks about the request', async () => {
    await run(
      { result: { allow: true } },
      {},
      {
        target: '/hello%20you?a=1&b&a=2',
        headers: { Host: 'a.test', 'X-Two': ['1', '2'] },
        clientAddress: '192.0.2.1',
      },
    );
    const input = lastInput();
    expect(input).toMatchObject({
      type: 'http',
      request: {
        scheme: 'http',
        method: 'GET',
        host: 'a.test',
        port: 9080,
        path: '/hello you',
        headers: { host: 'a.test', 'x-two': ['1', '2'] },
        query: { a: ['1', '2'], b: true },
      },
      var: { remote_addr: '192.0.2.1', server_port: '9080' },
    });
    expect(Object.keys(input)).toEqual(['type', 'request', 'var']);
  });

  test('tells of route, service and consumer when it should, but not of upstreams', async () => {
    const raw = { with_route: true, with_service: true, with_consumer: true };
    const resources = {
      route: { id: 'r1', uri: '/hello', upstream: { nodes: {} } },
      service: { id: 's1', upstream: { nodes: {} } },
      consumer: { username: 'test' },
    };
    await run({ result: { allow: true } }, raw, { resources });
    expect(lastInput()).toMatchObject({ route: { id: 'r1' }, service: { id: 's1' } });
    expect(lastInput()['route']).not.toHaveProperty('upstream');
    expect(lastInput()['service']).not.toHaveProperty('upstream');
    expect(lastInput()['consumer']).toEqual({ username: 'test' } satisfies Partial<ConsumerMatch>);
    await run({ result: { allow: true } }, raw);
    expect(lastInput()).not.toHaveProperty('consumer');
  });

  test.each(['not json', '[]', '{}', '{"result":null}', '{"result":true}'])(
    'answers 503 to an answer that is no decision: %s',
    async (decision) => {
      const { status, log } = await run(decision);
      expect(status).toBe(503);
      expect(log[0]).toMatch(/^error: invalid/);
    },
  );

  test('lets nothing pass when the server cannot be asked', async () => {
    for (const host of ['http://127.0.0.1:1', 'nowhere']) {
      const { status, log } = await run({}, { host });
      expect(status).toBe(403);
      expect(log[0]).toContain('error: failed to process OPA decision, err: ');
    }
  });
});
