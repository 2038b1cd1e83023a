import { afterAll, beforeAll, expect, test } from 'vitest';
import { runAdminApi, type RunningAdminApi } from '../admin-api.harness.ts';

let api: RunningAdminApi;
beforeAll(async () => {
  api = await runAdminApi();
});
afterAll(() => api.stop());

const asked = { headers: { Accept: 'application/problem+json' } };

test.each([
  ['GET', '/routes/none', undefined, 404, { detail: 'Key not found' }],
  ['GET', '/routes?page=1&page_size=1', undefined, 400, { detail: /^page_size must be/ }],
  ['GET', '/plugins/list?subsystem=x', undefined, 400, { detail: 'invalid subsystem passed' }],
  ['PUT', '/routes/1', '{', 400, { detail: /^invalid request body/, req_body: '{' }],
  ['PUT', '/routes/1', { uri: 1 }, 400, { detail: /^invalid configuration/ }],
  ['POST', '/configs/validate', { routes: 1 }, 400, { errors: [{ resource_type: 'routes' }] }],
  ['GET', '/nothing', undefined, 404, { detail: /^Unsupported resource type/ }],
])('%s %s is a problem of the one shape for who asks', async (method, path, body, status, more) => {
  const plain = await api.call(method, path, body);
  const reply = await api.call(method, path, body, asked);
  expect([reply.status, plain.status]).toEqual([status, status]);
  expect(reply.headers.get('content-type')).toBe('application/problem+json');
  expect(plain.headers.get('content-type')).not.toContain('problem');
  const { detail, ...fields } = more as { detail?: string | RegExp };
  expect(reply.body).toMatchObject({ type: 'about:blank', status, ...fields });
  expect(reply.body.error_msg).toBe(reply.body.detail);
  expect(reply.body.title).toMatch(/^[A-Z]/);
  if (detail !== undefined) expect(reply.body.detail).toMatch(detail);
  if (plain.body.error_msg !== undefined) expect(reply.body.detail).toBe(plain.body.error_msg);
});

test('a failed authentication tells its reason in both shapes', async () => {
  const headers = { 'X-API-KEY': 'wrong' };
  const plain = await api.call('GET', '/routes', undefined, { headers });
  expect(plain.text).toBe('{"error_msg":"failed to check token","description":"wrong apikey"}\n');
  const reply = await api.call('GET', '/routes', undefined, {
    headers: { ...headers, ...asked.headers },
  });
  expect(reply.body).toEqual({
    type: 'about:blank',
    title: 'Unauthorized',
    status: 401,
    detail: 'failed to check token',
    error_msg: 'failed to check token',
    description: 'wrong apikey',
  });
});

test('an answer that is no error stays as it is', async () => {
  const reply = await api.call('GET', '/routes', undefined, asked);
  expect([reply.status, reply.text]).toEqual([200, '{"total":0,"list":[]}\n']);
});

test('an error that is a text says so in its type', async () => {
  const reply = await api.call('GET', '/routes?page=1&page_size=1');
  expect(reply.headers.get('content-type')).toMatch(/^text\/plain/);
  expect(reply.text).toBe('page_size must be between 10 and 500');
});
