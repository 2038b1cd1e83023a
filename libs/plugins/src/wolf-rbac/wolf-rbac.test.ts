import type { ConsumerMatch, PublicApi } from '@polygate/plugin-sdk';
import { MemoryContext, memoryLog, memoryNode, memorySettings } from '@polygate/testing';
import { runPlugin, validConf, type PluginRequest, type RequestInit } from '@polygate/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startService, type SeenRequest, type TestService } from '../http-call.harness.ts';
import plugin from './wolf-rbac.ts';

const USER = { id: 100, username: 'admin', nickname: 'Ad Min' };
const TOKEN = 'V1#app#tok#en';

/** What the wolf-server answers to the next calls; the last answer stays. */
let answers: (readonly [number, unknown])[] = [];
let wolf: TestService;
beforeAll(async () => {
  wolf = await startService((_request, response) => {
    const [status, body] = answers.length > 1 ? answers.shift()! : answers[0]!;
    response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
  });
});
afterAll(() => wolf.close());
beforeEach(() => {
  answers = [[200, { ok: true, data: { userInfo: USER, token: 'tok' } }]];
});

const lastCall = (): SeenRequest => wolf.seen.at(-1)!;

function consumers(more: object = {}): Pick<PluginRequest, 'consumersByKey'> {
  const app: ConsumerMatch = {
    ...{ username: 'wolf', groupId: undefined, labels: undefined, customId: undefined },
    credentialId: undefined,
    authConf: { ...validConf(plugin.definition, { appid: 'app', server: wolf.url }), ...more },
  };
  return { consumersByKey: { 'wolf-rbac': { app } } };
}

const run = (request: PluginRequest, more: object = {}) =>
  runPlugin(plugin, validConf(plugin.definition, {}), { ...consumers(more), ...request });

describe('wolf-rbac', () => {
  test('asks the server of the application, and tells client and upstream who it is', async () => {
    const { status, ctx, headers, upstreamRequest } = await run({
      method: 'PUT',
      target: '/hello/a%20b?x=1',
      headers: { 'x-rbac-token': TOKEN, 'X-UserId': 'spoofed' },
    });
    expect(status).toBe(200);
    expect(ctx.consumer?.username).toBe('wolf');
    for (const list of [headers, upstreamRequest!.headers]) {
      expect(list.getAll('x-userid')).toEqual(['100']);
      expect(list.get('x-username')).toBe('admin');
      expect(list.get('x-nickname')).toBe('Ad%20Min');
    }
    const { path, headers: sent } = lastCall();
    expect(path).toBe(
      '/wolf/rbac/access_check?appID=app&resName=%2Fhello%2Fa%20b&action=PUT&clientIP=127.0.0.1',
    );
    expect(sent['x-rbac-token']).toBe('tok#en');
  });

  test.each<[string, RequestInit]>([
    ['query', { target: '/hello?rbac_token=V1%23app%23tok%23en' }],
    ['Authorization header', { headers: { authorization: TOKEN } }],
    ['cookie', { headers: { cookie: `a=b; x-rbac-token=${TOKEN}` } }],
  ])('takes the token out of the %s', async (_place, request) => {
    expect((await run(request)).status).toBe(200);
    expect(lastCall().headers['x-rbac-token']).toBe('tok#en');
  });

  test('drops names of the client where the server says none, whatever the prefix', async () => {
    answers = [[200, { ok: true, data: {} }]];
    const headers = {
      'x-rbac-token': TOKEN,
      'X-UserId': 'a',
      'Y-Username': 'b',
      'y-nickname': 'c',
    };
    const { upstreamRequest } = await run({ headers }, { header_prefix: 'Y-' });
    expect(upstreamRequest!.headers.get('x-userid')).toBe('a');
    expect(upstreamRequest!.headers.has('y-username')).toBe(false);
    expect(upstreamRequest!.headers.has('y-nickname')).toBe(false);
  });

  test.each<[number, string, Record<string, string>]>([
    [401, 'Missing rbac token in request', {}],
    [401, 'invalid rbac token: parse failed', { 'x-rbac-token': 'V1#app' }],
    [401, 'invalid rbac token: parse failed', { 'x-rbac-token': 'V2#app#tok' }],
    [401, 'Invalid appid in rbac token', { 'x-rbac-token': 'V1#other#tok' }],
  ])('answers %d and %s', async (status, message, headers) => {
    const asked = wolf.seen.length;
    const refused = await run({ headers });
    expect(refused.status).toBe(status);
    expect(refused.text).toBe(`${JSON.stringify({ message })}\n`);
    expect(wolf.seen.length).toBe(asked);
  });

  const ask = () => run({ headers: { 'x-rbac-token': TOKEN } });

  test("answers with the server's own status and reason, and who was refused", async () => {
    answers = [[403, { ok: false, reason: 'ERR_ACCESS_DENIED', data: { userInfo: USER } }]];
    const { status, text, headers, ctx } = await ask();
    expect(status).toBe(403);
    expect(JSON.parse(text)).toEqual({
      ...{ message: 'ERR_ACCESS_DENIED', username: 'admin', nickname: 'Ad Min' },
    });
    expect(headers.get('x-username')).toBe('admin');
    expect(ctx.consumer).toBeUndefined();
  });

  test('asks up to three times while the server has an accident', async () => {
    answers = [
      [500, ''],
      [502, ''],
      [200, { ok: true }],
    ];
    expect((await ask()).status).toBe(200);
    answers = [[503, '']];
    const asked = wolf.seen.length;
    const { status, text } = await ask();
    expect(status).toBe(500);
    expect(text).toContain('request to wolf-server failed, status:503');
    expect(wolf.seen.length).toBe(asked + 3);
  });

  test.each([
    [200, 500],
    [403, 403],
  ])('lets nobody in by an answer that is no JSON, of status %d', async (status, expected) => {
    answers = [[status, '<html>']];
    const refused = await ask();
    expect(refused.status).toBe(expected);
    expect(refused.text).toContain('parse response json failed');
  });

  test('answers 500 where there is no server', async () => {
    const headers = { 'x-rbac-token': TOKEN };
    for (const server of ['http://127.0.0.1:1', 'ftp://x']) {
      const { status, text } = await run({ headers }, { server });
      expect(status).toBe(500);
      expect(text).toContain('request to wolf-server failed, err:');
    }
  });

  test('refuses a conf with a flag that is none', () => {
    expect(() => validConf(plugin.definition, { ssl_verify: 'true' })).toThrow('ssl_verify');
  });
});

describe('the endpoints of wolf-rbac', () => {
  const sources = { metadata: () => ({}), settings: memorySettings(), node: memoryNode('gateway') };
  const apis = new Map<string, PublicApi>(
    plugin.publicApis!({}, sources).map((api) => [api.path.split('/').at(-1) as string, api]),
  );
  async function call(name: string, request: RequestInit) {
    const ctx = new MemoryContext({ ...consumers(), ...request }, memoryLog());
    const { status, body } = await apis.get(name)!.handle(ctx);
    return { status, body };
  }
  const json = { 'content-type': 'application/json' };
  const token = { 'x-rbac-token': TOKEN };

  test('are a login, a change of the password and the user', () => {
    expect([...apis.values()].map(({ methods, path }) => `${methods.join()} ${path}`)).toEqual([
      'POST /apisix/plugin/wolf-rbac/login',
      'PUT /apisix/plugin/wolf-rbac/change_pwd',
      'GET /apisix/plugin/wolf-rbac/user_info',
    ]);
  });

  test.each([
    ['a form', 'appid=app&username=admin&password=1', {}],
    ['JSON', '{"appid":"app","username":"admin","password":"1"}', json],
  ])('trade a name and a password in %s for a token', async (_form, body, headers) => {
    expect(await call('login', { method: 'POST', body, headers })).toEqual({
      status: 200,
      body: { rbac_token: 'V1#app#tok', user_info: USER },
    });
    const { method, path, body: sent } = lastCall();
    expect(`${method} ${path}`).toBe('POST /wolf/rbac/login.rest');
    expect(JSON.parse(sent)).toEqual({ appid: 'app', username: 'admin', password: '1' });
  });

  test.each([
    ['{', json, 400, 'invalid request'],
    ['[]', json, 400, 'invalid request'],
    ['username=admin', {}, 400, 'appid is missing'],
    ['appid=other', {}, 400, 'appid not found'],
    ['{"appid":1}', json, 400, 'appid not found'],
  ])('refuse the login %s', async (body, headers, status, message) => {
    expect(await call('login', { method: 'POST', body, headers })).toEqual({
      status,
      body: { message },
    });
  });

  test.each<[number, readonly [number, unknown]]>([
    [200, [200, { ok: false, reason: 'ERR_PASSWORD_ERROR' }]],
    [500, [401, { ok: false }]],
    [500, [200, 'no JSON']],
    [500, [200, { ok: true, data: {} }]],
  ])('answer %d where the server answers %j to a login', async (status, answer) => {
    answers = [answer];
    expect(await call('login', { method: 'POST', body: 'appid=app' })).toEqual({
      status,
      body: { message: 'request to wolf-server failed!' },
    });
  });

  test('change a password with the token of the user', async () => {
    const body = 'oldPassword=1&newPassword=2';
    expect(await call('change_pwd', { method: 'PUT', body, headers: token })).toEqual({
      status: 200,
      body: { message: 'success to change password' },
    });
    const { method, path, headers, body: sent } = lastCall();
    expect(`${method} ${path}`).toBe('POST /wolf/rbac/change_pwd');
    expect(headers['x-rbac-token']).toBe('tok#en');
    expect(JSON.parse(sent)).toEqual({ oldPassword: '1', newPassword: '2' });
  });

  test('tell who a token is of', async () => {
    expect(await call('user_info', { headers: token })).toEqual({
      status: 200,
      body: { user_info: USER },
    });
    expect(lastCall().path).toBe('/wolf/rbac/user_info');
  });

  test.each([
    [401, 'Missing rbac token in request', {}],
    [401, 'invalid rbac token: parse failed', { 'x-rbac-token': 'x' }],
    [400, 'appid not found', { 'x-rbac-token': 'V1#other#tok' }],
  ])('answer %d and %s', async (status, message, headers) => {
    for (const name of ['user_info', 'change_pwd']) {
      expect(await call(name, { headers })).toEqual({ status, body: { message } });
    }
  });
});
