import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { runAdminApi, type RunningAdminApi, VIEWER_KEY } from '../admin-api.harness.ts';

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };

let api: RunningAdminApi;
beforeAll(async () => {
  api = await runAdminApi();
});
afterAll(() => api.stop());
beforeEach(async () => {
  await api.store.deletePrefix('/');
});

const transact = (changes: unknown, more: object = {}, query = '') =>
  api.call('POST', `/polygate/transaction${query}`, { changes, ...more });
const put = (path: string, body: object = {}) => ({ method: 'PUT', path, body });
const remove = (path: string, more: object = {}) => ({ method: 'DELETE', path, ...more });

async function state() {
  const { items, revision } = await api.store.list('/');
  return { revision, keys: items.map(({ key }) => key).toSorted() };
}

test('changes are applied in one revision, whatever their order', async () => {
  const before = await state();
  const { status, body, headers } = await transact([
    put('/routes/1', { uri: '/', service_id: 's' }),
    put('/services/s', { upstream_id: 'u' }),
    put('/upstreams/u', upstream),
    put('/consumers/jack/credentials/c', { plugins: { 'key-auth': { key: 'k' } } }),
    put('/consumers', { username: 'jack' }),
    put('/plugin_metadata/echo', { a: 1 }),
  ]);
  const revision = before.revision + 1;
  expect([status, body.revision]).toEqual([200, revision]);
  expect(headers.get('x-polygate-revision')).toBe(String(revision));
  expect(body.changes[0]).toEqual({ key: '/routes/1', action: 'create', previous_revision: null });
  const { items } = await api.store.list('/');
  expect(items).toHaveLength(6);
  expect(items.every(({ modifiedIndex }) => modifiedIndex === revision)).toBe(true);
  const { body: route } = await api.call('GET', '/routes/1');
  expect(route.value).toEqual({
    id: '1',
    uri: '/',
    service_id: 's',
    create_time: expect.any(Number),
    update_time: expect.any(Number),
  });
  expect((await api.call('GET', '/plugin_metadata/echo')).body.value).toEqual({ a: 1, id: 'echo' });
});

test('what refers to each other goes in one transaction, with what it owns', async () => {
  await transact([
    put('/routes/1', { uri: '/', service_id: 's' }),
    put('/services/s', { upstream }),
    put('/consumers', { username: 'jack' }),
  ]);
  await api.call('PUT', '/consumers/jack/credentials/c', { plugins: { 'key-auth': { key: 'k' } } });
  await api.call('PUT', '/services/s/graphql_cost_decorations/d', { field_path: 'Query' });
  const alone = await transact([remove('/services/s')]);
  expect([alone.status, alone.body.errors]).toEqual([
    400,
    [
      {
        index: 0,
        method: 'DELETE',
        path: '/services/s',
        status: 400,
        error_msg: 'can not delete this service directly, route [1] is still using it now',
      },
    ],
  ]);
  const changes = [remove('/services/s'), remove('/consumers/jack'), remove('/routes/1')];
  expect((await transact(changes)).status).toBe(200);
  expect((await state()).keys).toEqual([]);
});

test('a patch merges into what is stored, and a sub-path replaces', async () => {
  await api.call('PUT', '/routes/1', { uri: '/', upstream, labels: { a: 'x' } });
  await api.call('PUT', '/routes/2', { uri: '/', upstream });
  const { status } = await transact([
    { method: 'PATCH', path: '/routes/1', body: { labels: { b: 'y' }, desc: 'd' } },
    { method: 'PATCH', path: '/routes/2/uri', body: '/two' },
  ]);
  expect(status).toBe(200);
  const [one, two] = [await api.call('GET', '/routes/1'), await api.call('GET', '/routes/2')];
  expect(one.body.value).toMatchObject({ labels: { a: 'x', b: 'y' }, desc: 'd' });
  expect(two.body.value.uri).toBe('/two');
});

test('a dry run shows each value before and after, and changes nothing', async () => {
  await api.call('PUT', '/routes/1', { uri: '/', upstream });
  await api.call('PUT', '/routes/2', { uri: '/two', upstream });
  const before = await state();
  const { status, body, headers } = await transact(
    [
      put('/services/s', { upstream }),
      put('/routes/1', { uri: '/new', upstream }),
      remove('/routes/2'),
    ],
    {},
    '?dry_run=true',
  );
  expect([status, body.dry_run, body.base_revision]).toEqual([200, true, before.revision]);
  const seen = (body.changes as { key: string; action: string }[]).map((c) => [c.key, c.action]);
  expect(seen).toEqual([
    ['/services/s', 'create'],
    ['/routes/1', 'update'],
    ['/routes/2', 'delete'],
  ]);
  expect(body.changes[0]).toMatchObject({ before: null, after: { id: 's', upstream } });
  expect(body.changes[1]).toMatchObject({ before: { uri: '/' }, after: { uri: '/new' } });
  expect(body.changes[2]).toMatchObject({ before: { uri: '/two' }, after: null });
  expect(headers.get('x-polygate-revision')).toBeNull();
  expect(await state()).toEqual(before);
});

test('one change that cannot be made keeps all others from being made', async () => {
  await api.call('PUT', '/upstreams/used', upstream);
  await api.call('PUT', '/routes/user', { uri: '/', upstream_id: 'used' });
  const before = await state();
  const { status, body } = await transact([
    put('/routes/fine', { uri: '/', upstream }),
    put('/routes/dangling', { uri: '/', service_id: 'none' }),
    put('/routes/invalid', { uri: 7 }),
    put('/routes/fine', { uri: '/again', upstream }),
    remove('/upstreams/used'),
    remove('/routes/none'),
    { method: 'PATCH', path: '/routes/none', body: { uri: '/x' } },
    { method: 'PATCH', path: '/consumers/jack', body: {} },
    put('/credentials/1', {}),
    put('/nothing/1', {}),
    put('/routes', { uri: '/' }),
    put('/stream_routes/1', { upstream }),
    remove('/routes/user/uri'),
  ]);
  expect(status).toBe(400);
  expect(body.error_msg).toBe('the transaction is refused: 12 of 13 changes cannot be made');
  const errors = body.errors as { index: number; status: number; error_msg: string }[];
  expect(errors.map(({ index, status: own, error_msg }) => [index, own, error_msg])).toEqual([
    [1, 400, 'failed to fetch service info by service id [none], response code: 404'],
    [2, 400, expect.stringContaining('invalid configuration: property "uri"')],
    [3, 400, '/routes/fine is changed twice'],
    [4, 400, 'can not delete this upstream, route [user] is still using it now'],
    [5, 404, 'Key not found'],
    [6, 404, 'Key not found'],
    [7, 405, 'not supported `PATCH` method for consumer'],
    [8, 404, 'Unsupported resource type: credentials'],
    [9, 404, 'Unsupported resource type: nothing'],
    [10, 400, 'missing route id'],
    [11, 400, 'stream mode is disabled, can not add stream routes'],
    [12, 400, 'a DELETE is for a whole object, not for /uri of it'],
  ]);
  expect(await state()).toEqual(before);
  expect((await transact([remove('/upstreams/used', { force: true })])).status).toBe(200);
});

test('two objects of a transaction may not have what only one may', async () => {
  const plugins = { 'key-auth': { key: 'same' } };
  const { status, body } = await transact([
    put('/consumers', { username: 'jack', plugins }),
    put('/consumers', { username: 'rose', plugins }),
    put('/global_rules/1', { plugins: { echo: { body: 'x' } } }),
    put('/global_rules/2', { plugins: { echo: { body: 'x' } } }),
  ]);
  expect(status).toBe(400);
  expect((body.errors as { error_msg: string }[]).map(({ error_msg }) => error_msg)).toEqual([
    'duplicate key of plugin key-auth found with consumer: rose',
    'duplicate key of plugin key-auth found with consumer: jack',
    "plugin 'echo' already exists in global rule with id '2'",
    "plugin 'echo' already exists in global rule with id '1'",
  ]);
});

describe('if_revision', () => {
  test('of a change has to be that of the object', async () => {
    const first = await api.call('PUT', '/routes/1', { uri: '/', upstream });
    const revision = Number(first.headers.get('x-polygate-revision'));
    const change = put('/routes/1', { uri: '/new', upstream });
    for (const [if_revision, status] of [
      [revision - 1, 409],
      [0, 409],
      [revision, 200],
      [revision, 409],
    ]) {
      expect((await transact([{ ...change, if_revision }])).status).toBe(status);
    }
    const fresh = { ...put('/routes/2', { uri: '/', upstream }), if_revision: 0 };
    expect((await transact([fresh])).status).toBe(200);
    const { status, body } = await transact([fresh]);
    expect([status, body.errors[0].error_msg]).toEqual([
      409,
      expect.stringMatching(/^\/routes\/2 is at revision \d+, but should not be there$/),
    ]);
  });

  test('of the transaction covers all its objects, also those that were deleted', async () => {
    await api.call('PUT', '/routes/1', { uri: '/', upstream });
    await api.call('PUT', '/routes/2', { uri: '/', upstream });
    const { revision: if_revision } = await state();
    await api.call('PUT', '/routes/3', { uri: '/', upstream });
    const one = put('/routes/1', { uri: '/new', upstream });
    expect((await transact([one], { if_revision })).status).toBe(200);
    expect((await transact([one], { if_revision })).status).toBe(409);
    await api.call('DELETE', '/routes/2');
    const two = put('/routes/2', { uri: '/new', upstream });
    expect((await transact([two], { if_revision })).status).toBe(409);
    expect((await transact([two], { if_revision: 1_000_000 })).status).toBe(400);
  });
});

test.each([
  [{}, 'changes: should be a list with at least one change'],
  [[], 'expected an object with changes'],
  [{ changes: [] }, 'changes: should be a list with at least one change'],
  [{ changes: [1] }, 'changes[0]: should be an object'],
  [{ changes: [{ method: 'POST', path: '/routes' }] }, 'changes[0].method: should be PUT, PATCH'],
  [{ changes: [{ method: 'PUT', path: 'routes/1' }] }, 'changes[0].path: should be a path below'],
  [{ changes: [{ method: 'PUT', path: '/routes/1?ttl=1' }] }, 'changes[0].path: should have no'],
  [{ changes: [{ method: 'PUT', path: '/a', bdy: 1 }] }, 'changes[0].bdy: is not known'],
  [
    { changes: [{ method: 'PUT', path: '/a', if_revision: '1' }] },
    'changes[0].if_revision: should',
  ],
  [{ changes: [{ method: 'PUT', path: '/a', force: true }] }, 'changes[0].force: is for DELETE'],
  [{ changes: [{ method: 'DELETE', path: '/a', body: {} }] }, 'changes[0].body: is not for DELETE'],
  [{ changes: [], if_revision: -1 }, 'if_revision: should be an integer from 0'],
  [{ changes: Array(10_001).fill({}) }, 'should have at most 10000 changes'],
])('%j is refused with a text that names the field', async (sent, text) => {
  const { status, body } = await api.call('POST', '/polygate/transaction', sent);
  expect([status, body.error_msg]).toEqual([400, expect.stringContaining(text)]);
});

test('a body that is no JSON or too large is refused, and not repeated', async () => {
  for (const [body, text] of [
    ['{secret', 'invalid request body'],
    [`"${'x'.repeat(17 * 1024 * 1024)}"`, 'greater than the maximum size 16777216'],
  ] as const) {
    const reply = await api.call('POST', '/polygate/transaction', body);
    expect([reply.status, reply.body.error_msg]).toEqual([400, expect.stringContaining(text)]);
    expect(reply.text).not.toContain('secret');
  }
  const { status, body } = await transact([put('/routes/1')], {}, '?dry_run=maybe');
  expect([status, body.error_msg]).toEqual([400, expect.stringContaining('dry_run')]);
});

test('each change leaves its line in the log', async () => {
  await api.call('PUT', '/routes/1', { uri: '/', upstream });
  const { revision } = await state();
  await transact([put('/routes/2', { uri: '/', upstream }), remove('/routes/1')]);
  const by = 'by /apisix/admin/polygate/transaction, revision';
  expect(api.lines.slice(-2)).toEqual([
    `audit: admin did POST /routes/2 ${by} none -> ${revision + 1}`,
    `audit: admin did POST /routes/1 ${by} ${revision} -> ${revision + 1}`,
  ]);
});

test('a viewer may look at the history and do nothing else', async () => {
  const headers = { 'X-API-KEY': VIEWER_KEY };
  for (const [method, path] of [
    ['POST', '/polygate/transaction'],
    ['POST', '/polygate/transaction?dry_run=true'],
    ['POST', '/polygate/rollback/1'],
    ['POST', '/polygate/rollback/1?dry_run=true'],
    ['PUT', '/services/s/graphql_cost_decorations/1'],
  ] as const) {
    expect((await api.call(method, path, {}, { headers })).status).toBe(401);
    expect((await api.call(method, path, {}, { headers: { 'X-API-KEY': '' } })).status).toBe(401);
  }
  expect((await api.call('GET', '/polygate/history', undefined, { headers })).status).toBe(200);
});

test('thousands of changes that refer to each other are checked in good time', async () => {
  const many = Array.from({ length: 3000 }, (_, n) => n);
  const began = performance.now();
  const made = await transact([
    ...many.map((n) => put(`/routes/${n}`, { uri: `/${n}`, service_id: `${n}` })),
    ...many.map((n) => put(`/services/${n}`, { upstream })),
    ...many.map((n) =>
      put('/consumers', { username: `c${n}`, plugins: { 'key-auth': { key: `k${n}` } } }),
    ),
  ]);
  expect(made.status).toBe(200);
  const gone = await transact([
    ...many.map((n) => remove(`/services/${n}`)),
    ...many.map((n) => remove(`/routes/${n}`)),
  ]);
  expect(gone.status).toBe(200);
  expect((await state()).keys).toHaveLength(3000);
  // with a search through all objects for each change it would be minutes
  expect(performance.now() - began).toBeLessThan(60_000);
}, 120_000);
