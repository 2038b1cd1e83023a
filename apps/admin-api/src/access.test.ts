import { stat } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import {
  ADMIN_KEY,
  type HarnessOptions,
  runAdminApi,
  type RunningAdminApi,
  VIEWER_KEY,
} from './admin-api.harness.ts';

const running: RunningAdminApi[] = [];
afterEach(async () => {
  for (const api of running.splice(0)) await api.stop();
});

async function start(options?: HarnessOptions) {
  const api = await runAdminApi(options);
  running.push(api);
  const ask = (method: string, path: string, headers: Record<string, string> = {}) =>
    fetch(`${api.url}/apisix/admin${path}`, { method, headers });
  return { api, ask };
}

test('a key opens the API as header, argument or cookie', async () => {
  const { ask } = await start();
  expect((await ask('GET', '/routes', { 'x-api-key': ADMIN_KEY })).status).toBe(200);
  expect((await ask('GET', '/routes', { x_api_key: ADMIN_KEY })).status).toBe(200);
  expect((await ask('GET', `/routes?api_key=${ADMIN_KEY}`)).status).toBe(200);
  expect((await ask('GET', '/routes', { cookie: `a=b; x_api_key=${ADMIN_KEY}` })).status).toBe(200);
});

test('without a key, or with a wrong one, the answer is 401 and says which', async () => {
  const { ask } = await start();
  const cases = [
    [{}, 'missing apikey'],
    [{ 'x-api-key': 'wrong' }, 'wrong apikey'],
    [{ 'x-api-key': ADMIN_KEY.slice(0, -1) }, 'wrong apikey'],
  ] as const;
  const paths = ['/routes', '/nothing', '/plugins/list', '/schema/route', '/polygate/data-planes'];
  for (const path of paths) {
    for (const [headers, description] of cases) {
      const response = await ask('GET', path, headers);
      expect(response.status).toBe(401);
      expect(await response.json()).toEqual({ error_msg: 'failed to check token', description });
      expect(response.headers.get('x-api-version')).toBe(null);
    }
  }
});

test('a viewer reads and writes nothing', async () => {
  const { api, ask } = await start();
  const headers = { 'x-api-key': VIEWER_KEY };
  expect((await ask('GET', '/routes', headers)).status).toBe(200);
  const writes = [
    ['PUT', '/consumers/jack'],
    ['POST', '/routes'],
    ['PATCH', '/routes/1'],
    ['DELETE', '/routes/1'],
    ['PUT', '/plugins/reload'],
    ['POST', '/schema/validate/routes'],
  ] as const;
  for (const [method, path] of writes) {
    const response = await ask(method, path, headers);
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({
      description: 'invalid method for role viewer',
    });
  }
  expect((await api.store.list('/')).items).toEqual([]);
});

test('without a configured key one is made, works, and is the only one that does', async () => {
  const { api, ask } = await start({ admin: 'admin_key: []' });
  const line = api.lines.find((text) => text.includes('made an Admin API key'));
  const [, file = '', key = ''] = /kept in (\S+) and .*: ([0-9a-f]{64})$/.exec(line ?? '') ?? [];
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await ask('GET', '/routes', { 'x-api-key': key })).status).toBe(200);
  for (const wrong of ['', ADMIN_KEY, 'edd1c9f034335f136f87ad84b625c8f1']) {
    expect((await ask('GET', '/routes', { 'x-api-key': wrong })).status).toBe(401);
  }
});

test('with admin_key_required: false no key is asked for, which is warned of', async () => {
  const { api, ask } = await start({ admin: 'admin_key_required: false' });
  expect((await ask('GET', '/routes')).status).toBe(200);
  expect((await ask('GET', '/routes', { 'x-api-key': 'wrong' })).status).toBe(200);
  expect(api.lines.join()).toContain('Admin key is bypassed!');
});

test('an address outside allow_admin gets 403, whatever key and headers it has', async () => {
  const { ask } = await start({
    admin: `allow_admin: [10.0.0.0/8]\n    admin_key: [{ name: a, key: ${ADMIN_KEY} }]`,
  });
  const headers = { 'x-api-key': ADMIN_KEY, 'x-forwarded-for': '10.0.0.1' };
  expect((await ask('GET', '/routes', headers)).status).toBe(403);
  expect((await ask('HEAD', '', headers)).status).toBe(403);
});

test('HEAD /apisix/admin answers 200 without a key', async () => {
  const { ask } = await start();
  expect((await ask('HEAD', '')).status).toBe(200);
  expect((await ask('HEAD', '/routes')).status).toBe(401);
});

test('browsers of every origin may ask, until enable_admin_cors is false', async () => {
  const { ask } = await start();
  const preflight = await ask('OPTIONS', '/routes/1');
  expect(preflight.status).toBe(200);
  expect(preflight.headers.get('access-control-allow-methods')).toBe(
    'POST, GET, PUT, OPTIONS, DELETE, PATCH',
  );
  const refused = await ask('GET', '/routes');
  expect(Object.fromEntries(refused.headers)).toMatchObject({
    'access-control-allow-origin': '*',
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': '*',
    'access-control-max-age': '3600',
  });

  const { ask: askOther } = await start({ admin: 'enable_admin_cors: false' });
  expect((await askOther('OPTIONS', '/routes')).status).toBe(401);
  expect((await askOther('GET', '/routes')).headers.get('access-control-allow-origin')).toBe(null);
});

test('answers name APISIX as the server, without its version when tokens are off', async () => {
  const { ask } = await start();
  expect((await ask('GET', '/routes')).headers.get('server')).toBe('APISIX/3.18.0');
  const { ask: askOther } = await start({ more: 'apisix: { enable_server_tokens: false }' });
  expect((await askOther('GET', '/routes')).headers.get('server')).toBe('APISIX');
});

test('each write leaves a line that says who did what, and no line holds a key', async () => {
  const { api } = await start();
  await api.call('PUT', `/consumers?api_key=${ADMIN_KEY}`, { username: 'jack' });
  await api.call('PUT', '/consumers', { username: 'j a c k' });
  await api.call('DELETE', '/consumers/jack');
  await api.call('GET', '/consumers');
  const audit = api.lines.filter((line) => line.startsWith('audit:'));
  expect(audit).toEqual([
    'audit: admin did PUT /consumers/jack, revision none -> 2',
    'audit: admin did DELETE /consumers/jack, revision 2 -> 3',
  ]);
  expect(api.lines.join('\n')).not.toContain(ADMIN_KEY);
});
