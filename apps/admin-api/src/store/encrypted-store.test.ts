import { encryptText } from '@polygate/model';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type RunningAdminApi, runAdminApi } from '../admin-api.harness.ts';

const KEY = 'a-key-of-my-own!';
const secret = (text: string) => encryptText(text, [KEY]);
const keyring = (...keys: string[]) =>
  `apisix: { data_encryption: { keyring: ${JSON.stringify(keys)} } }`;

let api: RunningAdminApi;
beforeEach(async () => {
  api = await runAdminApi({ more: keyring(KEY) });
});
afterEach(() => api.stop());

const jack = (key: string) => ({ username: 'jack', plugins: { 'key-auth': { key } } });
const stored = async (key: string) => (await api.store.get(key))?.value as Record<string, unknown>;

test('what a plugin calls secret is stored encrypted and shown in clear', async () => {
  const written = await api.call('PUT', '/consumers', jack('auth-one'));
  expect(written.status).toBe(201);
  expect(written.body.value.plugins['key-auth'].key).toBe(secret('auth-one'));
  expect(await stored('/consumers/jack')).toMatchObject(jack(secret('auth-one')));
  expect((await api.call('GET', '/consumers/jack')).body.value).toMatchObject(jack('auth-one'));
  const { list } = (await api.call('GET', '/consumers')).body;
  expect(list[0].value).toMatchObject(jack('auth-one'));
});

test('a write is checked before anything of it is encrypted', async () => {
  const reply = await api.call('PUT', '/consumers', jack(7 as unknown as string));
  expect(reply.status).toBe(400);
  expect(reply.body.error_msg).toContain('wrong type: expected string, got number');
  expect(await api.store.get('/consumers/jack')).toBeUndefined();
});

test('a key that somebody else has is found although both are stored encrypted', async () => {
  await api.call('PUT', '/consumers', jack('auth-one'));
  const reply = await api.call('PUT', '/consumers', { ...jack('auth-one'), username: 'jill' });
  expect(reply.status).toBe(400);
  expect(reply.body.error_msg).toContain('found with consumer: jack');
});

test('a PATCH leaves secrets readable, and encrypts those it changes', async () => {
  const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };
  const plugins = { 'limit-count': { count: 1, time_window: 1, redis_password: 'first' } };
  const route = { uri: '/a', plugins, upstream };
  expect((await api.call('PUT', '/routes/1', route)).status).toBe(201);
  const password = async () => {
    const { value } = (await api.call('GET', '/routes/1')).body;
    return value.plugins['limit-count'].redis_password as string;
  };
  expect(JSON.stringify(await stored('/routes/1'))).toContain(secret('first'));
  expect((await api.call('PATCH', '/routes/1', { desc: 'x' })).status).toBe(200);
  expect(await password()).toBe('first');
  const change = { plugins: { 'limit-count': { redis_password: 'second' } } };
  expect((await api.call('PATCH', '/routes/1', change)).status).toBe(200);
  expect(await password()).toBe('second');
  expect(JSON.stringify(await stored('/routes/1'))).toContain(secret('second'));
});

test('what is stored in clear is shown as it is, and encrypted by the next write', async () => {
  await api.store.put('/consumers/jack', jack('from-long-ago'));
  const { value } = (await api.call('GET', '/consumers/jack')).body;
  expect(value).toMatchObject(jack('from-long-ago'));
  expect(api.lines.join()).toContain('failed to decrypt key-auth.key of /consumers/jack');
  await api.call('PUT', '/consumers', jack('from-long-ago'));
  expect(await stored('/consumers/jack')).toMatchObject(jack(secret('from-long-ago')));
});

test('APISIX’s own key works, with a warning that it is publicly known', async () => {
  expect(api.lines.join()).not.toContain('publicly known');
  const open = await runAdminApi();
  expect(open.lines.join()).toContain('encrypted with a key that is publicly known');
  await open.call('PUT', '/consumers', jack('auth-one'));
  const { value } = (await open.store.get('/consumers/jack')) ?? {};
  expect(value).toMatchObject(jack(encryptText('auth-one', ['qeddd145sfvddff3'])));
  await open.stop();
});

test('switched off, secrets are stored as they are', async () => {
  const more = 'apisix: { data_encryption: { enable_encrypt_fields: false } }';
  const off = await runAdminApi({ more });
  await off.call('PUT', '/consumers', jack('auth-one'));
  expect((await off.store.get('/consumers/jack'))?.value).toMatchObject(jack('auth-one'));
  expect(off.lines.join()).not.toContain('publicly known');
  await off.stop();
});
