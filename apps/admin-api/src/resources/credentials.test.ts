import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Reply, runAdminApi, type RunningAdminApi } from '../admin-api.harness.ts';

let api: RunningAdminApi;
beforeEach(async () => {
  api = await runAdminApi();
  await api.call('PUT', '/consumers', { username: 'jack' });
  await api.call('PUT', '/consumers', { username: 'jill', plugins: keyAuth('of-jill') });
});
afterEach(() => api.stop());

const keyAuth = (key: string): object => ({ 'key-auth': { key } });
const put = (id: string, key: string): Promise<Reply> =>
  api.call('PUT', `/consumers/jack/credentials/${id}`, { plugins: keyAuth(key) });
const error = ({ status, body }: Reply): string => `${status} ${body.error_msg}`;

test('credentials are written, read, listed and deleted below their consumer', async () => {
  const created = await put('a', 'one');
  expect(created.status).toBe(201);
  expect(created.body).toMatchObject({
    key: '/apisix/consumers/jack/credentials/a',
    value: { id: 'a', create_time: expect.any(Number) },
  });
  expect((await put('a', 'two')).status).toBe(200);
  const inBody = await api.call('PUT', '/consumers/jack/credentials', { id: 'b' });
  expect(inBody.body.key).toBe('/apisix/consumers/jack/credentials/b');

  const { body: read } = await api.call('GET', '/consumers/jack/credentials/a');
  expect(read.value.plugins).toEqual(keyAuth('two'));
  const { body: list } = await api.call('GET', '/consumers/jack/credentials');
  expect(list.total).toBe(2);
  expect(list.list.map(({ key }: { key: string }) => key)).toEqual([
    '/apisix/consumers/jack/credentials/a',
    '/apisix/consumers/jack/credentials/b',
  ]);

  expect((await api.call('DELETE', '/consumers/jack/credentials/a')).body).toEqual({
    key: '/apisix/consumers/jack/credentials/a',
    deleted: '1',
  });
  expect((await api.call('GET', '/consumers/jack/credentials/a')).status).toBe(404);
});

test('consumers are listed without their credentials', async () => {
  await put('a', 'one');
  const { body } = await api.call('GET', '/consumers');
  expect(body.total).toBe(2);
});

test('a credential needs a consumer, an id and an auth plugin', async () => {
  const lost = await api.call('PUT', '/consumers/nobody/credentials/a', { plugins: keyAuth('k') });
  expect(error(lost)).toBe('404 consumer not found');
  const unnamed = await api.call('PUT', '/consumers/jack/credentials', {});
  expect(error(unnamed)).toBe('400 missing credential id');
  const other = await api.call('PUT', '/consumers/jack/credentials/a', { plugins: { echo: {} } });
  expect(error(other)).toMatch(/^400 (only supports auth type plugins|invalid plugins)/);
  expect((await api.store.list('/consumers/')).items).toHaveLength(2);
});

test('credentials are neither posted nor patched, and only found below consumers', async () => {
  expect(error(await api.call('POST', '/consumers/jack/credentials', {}))).toBe(
    '405 not supported `POST` method for credential',
  );
  expect(error(await api.call('PATCH', '/consumers/jack/credentials/a', {}))).toBe(
    '405 not supported `PATCH` method for credential',
  );
  expect(error(await api.call('PUT', '/credentials/a', {}))).toBe(
    '404 Unsupported resource type: credentials',
  );
});

test('a collection that is empty is not found', async () => {
  const empty = await api.call('GET', '/consumers/jack/credentials');
  expect([empty.status, empty.body]).toEqual([404, { message: 'Key not found' }]);
});

test('no two consumers or credentials have the same key', async () => {
  const found = '400 duplicate key of plugin key-auth found with';
  await put('a', 'one');
  expect(error(await put('b', 'one'))).toBe(`${found} credential: a of consumer: jack`);
  expect(error(await put('b', 'of-jill'))).toBe(`${found} consumer: jill`);
  const jill = { username: 'jill', plugins: keyAuth('one') };
  expect(error(await api.call('PUT', '/consumers', jill))).toBe(
    `${found} credential: a of consumer: jack`,
  );
  expect((await put('a', 'one')).status).toBe(200);
});

test('a consumer may have the key of its credential, but not the other way round', async () => {
  await put('a', 'one');
  const jack = { username: 'jack', plugins: keyAuth('one') };
  expect((await api.call('PUT', '/consumers', jack)).status).toBe(200);
  expect(error(await put('a', 'one'))).toBe(
    '400 duplicate key of plugin key-auth found with consumer: jack',
  );
});

test('a consumer takes its credentials along', async () => {
  await put('a', 'one');
  expect((await api.call('DELETE', '/consumers/jack')).status).toBe(200);
  const { items } = await api.store.list('/consumers/');
  expect(items.map(({ key }) => key)).toEqual(['/consumers/jill']);
});
