import { afterEach, beforeEach, expect, test } from 'vitest';
import { runAdminApi, type RunningAdminApi } from '../admin-api.harness.ts';

const content = 'syntax = "proto3"; package hello; message Request { string name = 1; }';

let api: RunningAdminApi;
beforeEach(async () => {
  api = await runAdminApi();
});
afterEach(() => api.stop());

test('a proto that compiles is stored, another one is refused', async () => {
  expect((await api.call('PUT', '/protos/1', { content })).status).toBe(201);
  expect((await api.call('POST', '/protos', { content })).status).toBe(201);
  expect((await api.call('GET', '/protos')).body.total).toBe(2);
  const { status, body } = await api.call('PUT', '/protos/2', { content: 'message {}' });
  expect([status, body.error_msg]).toEqual([400, expect.stringMatching(/^invalid content: /)]);
  expect((await api.call('PATCH', '/protos/1', { desc: 'x' })).status).toBe(405);
});

test('a proto that grpc-transcode uses cannot be deleted, unless forced', async () => {
  await api.call('PUT', '/protos/1', { content });
  const plugins = { 'grpc-transcode': { proto_id: 1, service: 'hello.S', method: 'Call' } };
  await api.store.put('/services/s', { id: 's', plugins });
  const { status, body } = await api.call('DELETE', '/protos/1');
  expect([status, body.error_msg]).toEqual([
    400,
    'can not delete this proto, service [s] is still using it now',
  ]);
  await api.store.put('/routes/r', { id: 'r', uri: '/x', plugins });
  expect((await api.call('DELETE', '/protos/1')).body.error_msg).toBe(
    'can not delete this proto, route [r] is still using it now',
  );
  expect((await api.call('DELETE', '/protos/1?force=true')).status).toBe(200);
});
