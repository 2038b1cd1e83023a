import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Reply, runAdminApi, type RunningAdminApi } from '../admin-api.harness.ts';

const vault = { uri: 'http://127.0.0.1:8200', prefix: 'kv/apisix', token: 'root' };

let api: RunningAdminApi;
beforeEach(async () => {
  api = await runAdminApi();
});
afterEach(() => api.stop());

const error = ({ status, body }: Reply): string => `${status} ${body.error_msg}`;

test('secrets are written, patched, listed and deleted below their manager', async () => {
  const created = await api.call('PUT', '/secrets/vault/1', vault);
  expect(created.status).toBe(201);
  expect(created.body).toMatchObject({
    key: '/apisix/secrets/vault/1',
    value: { ...vault, id: 'vault/1' },
  });
  const aws = { access_key_id: 'a', secret_access_key: 'b' };
  expect((await api.call('PUT', '/secrets/aws/1', aws)).status).toBe(201);
  for (const path of ['/secrets', '/secrets/vault']) {
    expect((await api.call('GET', path)).body.total).toBe(2);
  }

  const part = await api.call('PATCH', '/secrets/vault/1/token', '"other"');
  expect(part.body.value).toMatchObject({ token: 'other', uri: vault.uri });
  const whole = await api.call('PATCH', '/secrets/vault/1', { prefix: 'new' });
  expect(whole.body.value).toMatchObject({ token: 'other', prefix: 'new' });
  expect((await api.call('GET', '/secrets/vault/1')).body.value.prefix).toBe('new');

  expect((await api.call('DELETE', '/secrets/vault/1')).status).toBe(200);
  expect((await api.call('GET', '/secrets/vault/1')).status).toBe(404);
  expect((await api.call('GET', '/secrets/aws/1')).status).toBe(200);
});

test('secrets of unknown managers, without an id or against the schema are refused', async () => {
  expect(error(await api.call('PUT', '/secrets/safe/1', vault))).toBe(
    '400 invalid secret manager: safe',
  );
  expect(error(await api.call('PUT', '/secrets/vault', vault))).toBe('400 missing secret id');
  expect(error(await api.call('PUT', '/secrets/vault/a b', vault))).toBe('400 wrong secret id');
  expect(error(await api.call('PUT', '/secrets', { ...vault, id: 'vault/../x' }))).toBe(
    '400 wrong secret id',
  );
  expect(error(await api.call('PUT', '/secrets/vault/1', { ...vault, id: '1' }))).toBe(
    '400 wrong secret id',
  );
  expect(error(await api.call('PATCH', '/secrets/vault', {}))).toBe('400 no secret id');
  expect(error(await api.call('DELETE', '/secrets/vault'))).toBe('400 missing secret id');
  expect(error(await api.call('POST', '/secrets/vault', vault))).toBe(
    '405 not supported `POST` method for secret',
  );
  expect(error(await api.call('PUT', '/secrets/vault/1', { ...vault, uri: '/x' }))).toMatch(
    /^400 invalid configuration: property "uri" validation failed/,
  );
  expect((await api.store.list('/secrets/')).items).toEqual([]);
});

test('there is no schema for secrets in general', async () => {
  expect(error(await api.call('GET', '/schema/secret'))).toBe('400 not found schema: secret');
  for (const name of ['ssl', 'proto', 'credential', 'stream_route']) {
    const { status, body } = await api.call('GET', `/schema/${name}`);
    expect([status, body.type]).toEqual([200, 'object']);
  }
});
