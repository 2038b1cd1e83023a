import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { runAdminApi, type RunningAdminApi } from '../admin-api.harness.ts';

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };
const at = (id = '') => `/services/shop/graphql_cost_decorations${id && `/${id}`}`;

let api: RunningAdminApi;
beforeAll(async () => {
  api = await runAdminApi();
});
afterAll(() => api.stop());
beforeEach(async () => {
  await api.store.deletePrefix('/');
  await api.call('PUT', '/services/shop', { upstream });
});

test('a decoration belongs to the service of its path', async () => {
  const put = await api.call('PUT', at('d1'), { field_path: 'Query.products', add_value: 2 });
  expect([put.status, put.body]).toEqual([
    201,
    {
      key: '/apisix/services/shop/graphql_cost_decorations/d1',
      value: {
        id: 'd1',
        service_id: 'shop',
        field_path: 'Query.products',
        add_value: 2,
        create_time: expect.any(Number),
        update_time: expect.any(Number),
      },
    },
  ]);
  const posted = await api.call('POST', at(), { field_path: 'Product' });
  expect(posted.status).toBe(201);
  expect(posted.body.key).toMatch(/^\/apisix\/services\/shop\/graphql_cost_decorations\/\d{20}$/);
  const list = await api.call('GET', at());
  expect([list.body.total, list.body.list[0].value.field_path]).toEqual([2, 'Query.products']);
  expect((await api.call('GET', at('d1'))).body.value).toEqual(put.body.value);
  expect((await api.call('GET', '/services')).body.total).toBe(1);
});

test.each([
  [{ field_path: 'Query.a', service_id: 'blog' }, 'wrong service_id, it is taken from the path'],
  [{ field_path: 'Query.a', service_id: null }, 'wrong service_id, it is taken from the path'],
  [{ field_path: 'Query.products' }, 'is already decorated on this service by [d1]'],
  [{ field_path: '9Query' }, 'property \\"field_path\\" validation failed'],
  [{ field_path: 'Query.' }, 'field_path'],
  [{ field_path: 'Query.a', add_value: -1 }, 'property \\"add_value\\" validation failed'],
  [{ field_path: 'Query.a', more: 1 }, 'additional properties forbidden'],
  [{}, 'property \\"field_path\\" is required'],
  [{ field_path: 'Query.a', id: 'other' }, 'wrong graphql cost decoration id'],
])('%j is refused: %s', async (value, text) => {
  await api.call('PUT', at('d1'), { field_path: 'Query.products' });
  const reply = await api.call('PUT', at('d2'), value);
  expect(reply.status).toBe(400);
  expect(reply.text).toContain(text);
});

test('without its service there is none, and none outside of a service', async () => {
  const path = '/services/none/graphql_cost_decorations/d1';
  for (const value of [{ field_path: 'Query.a' }, { field_path: 7 }, {}]) {
    const reply = await api.call('PUT', path, value);
    expect([reply.status, reply.body]).toEqual([404, { error_msg: 'service not found' }]);
  }
  for (const method of ['GET', 'PUT', 'POST', 'PATCH', 'DELETE']) {
    const flat = await api.call(
      method,
      '/graphql_cost_decorations/d1',
      method === 'GET' ? undefined : {},
    );
    expect([flat.status, flat.body]).toEqual([400, { error_msg: 'missing service id' }]);
  }
});

test('a patch changes all but the service, and takes no field path of another one', async () => {
  await api.call('PUT', at('d1'), { field_path: 'Query.a' });
  await api.call('PUT', at('d2'), { field_path: 'Query.b' });
  const patched = await api.call('PATCH', at('d1'), { add_value: 7 });
  expect(patched.body.value).toMatchObject({ add_value: 7, service_id: 'shop' });
  expect((await api.call('PATCH', at('d1'), { field_path: 'Query.a' })).status).toBe(200);
  for (const [changes, text] of [
    [{ service_id: 'blog' }, 'service_id can not be patched'],
    [{ field_path: 'Query.b' }, 'field_path Query.b is already decorated on this service by [d2]'],
  ] as const) {
    const reply = await api.call('PATCH', at('d1'), changes);
    expect([reply.status, reply.body]).toEqual([400, { error_msg: text }]);
  }
  expect((await api.call('PATCH', at('d9'), { add_value: 1 })).status).toBe(404);
});

test('decorations go with their service, but not when it has to stay', async () => {
  await api.call('PUT', at('d1'), { field_path: 'Query.a' });
  await api.call('PUT', '/routes/1', { uri: '/', service_id: 'shop' });
  expect((await api.call('DELETE', '/services/shop')).status).toBe(400);
  expect((await api.call('GET', at())).body.total).toBe(1);
  await api.call('DELETE', '/routes/1');
  const { revision } = await api.store.list('/');
  expect((await api.call('DELETE', '/services/shop')).status).toBe(200);
  expect((await api.call('GET', at())).status).toBe(404);
  expect((await api.store.list('/')).revision).toBe(revision + 1);
});

test('a new service does not inherit what an earlier one left behind', async () => {
  const key = '/services/old/graphql_cost_decorations/d1';
  await api.store.put(key, { id: 'd1', service_id: 'old', field_path: 'Query.a' });
  expect((await api.call('PUT', '/services/old', { upstream: { type: 'x' } })).status).toBe(400);
  expect(await api.store.get(key)).toBeDefined();
  expect((await api.call('PUT', '/services/old', { upstream })).status).toBe(201);
  expect(await api.store.get(key)).toBeUndefined();
  await api.store.put(key, { id: 'd1', service_id: 'old', field_path: 'Query.a' });
  expect((await api.call('PUT', '/services/old', { upstream })).status).toBe(200);
  expect(await api.store.get(key)).toBeDefined();
});

test('the schema is served', async () => {
  const { body } = await api.call('GET', '/schema/graphql_cost_decoration');
  expect(body.required).toEqual(['field_path']);
  const valid = await api.call('POST', '/schema/validate/graphql_cost_decorations', {
    field_path: 'Query',
  });
  expect(valid.status).toBe(200);
});
