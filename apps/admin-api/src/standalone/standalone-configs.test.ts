import { MemoryStore } from '@polygate/config-store';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type RunningAdminApi, runAdminApi } from '../admin-api.harness.ts';

let api: RunningAdminApi;
let store: MemoryStore;
beforeEach(async () => {
  store = new MemoryStore({ howToWrite: 'PUT the whole' });
  api = await runAdminApi({ store });
});
afterEach(() => api.stop());

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };
const route = (id: string, more: object = {}) => ({ id, uri: `/${id}`, upstream, ...more });

let digests = 0;
/** With a digest of its own, and a body as text where `type` is given. */
function put(document: unknown, { digest = `d${++digests}`, type = 'application/json' } = {}) {
  const headers = { 'X-Digest': digest, 'Content-Type': type };
  return api.call('PUT', '/configs', document, { headers });
}
const keys = async () => (await store.list('/')).items.map(({ key }) => key);

test('before the first write there is nothing, of version 0', async () => {
  const { status, body, headers } = await api.call('GET', '/configs');
  expect(status).toBe(200);
  expect(body).toMatchObject({ routes_conf_version: 0, plugin_metadata_conf_version: 0 });
  expect(Object.keys(body as object)).toHaveLength(13);
  expect([headers.get('x-digest'), headers.get('x-last-modified')]).toEqual([null, null]);
  expect(await keys()).toEqual([]);
});

test('a document is taken as a whole, and its digest says that it is known', async () => {
  const first = await put({ routes: [route('r1')], upstreams: [] }, { digest: 'one' });
  expect(first.status).toBe(202);
  expect(first.headers.get('x-digest')).toBe('one');
  expect(Number(first.headers.get('x-last-modified'))).toBeGreaterThan(1_700_000_000);
  expect(await keys()).toEqual(['/routes/r1']);
  expect((await put({}, { digest: 'one' })).status).toBe(204);
  expect(await keys()).toEqual(['/routes/r1']);

  const { body, headers } = await api.call('GET', '/configs');
  expect(body).toMatchObject({ routes: [route('r1')], routes_conf_version: 1 });
  expect(body).not.toHaveProperty('upstreams');
  expect(headers.get('x-digest')).toBe('one');
  const head = await api.call('HEAD', '/configs');
  expect([head.status, head.text, head.headers.get('x-digest')]).toEqual([200, '', 'one']);

  expect((await put({})).status).toBe(202);
  expect(await keys()).toEqual([]);
});

test('a document has a revision, and nobody waits for it', async () => {
  const { headers } = await put({ routes: [route('r1')] });
  expect(headers.get('x-polygate-revision')).toBe(String((await store.list('/')).revision));
  const waited = await api.call(
    'PUT',
    '/configs?wait=applied',
    {},
    { headers: { 'X-Digest': 'w' } },
  );
  expect([waited.status, waited.body.error_msg]).toEqual([
    400,
    expect.stringContaining('not in standalone mode'),
  ]);
  expect(await keys()).toEqual(['/routes/r1']);
  for (const path of ['/polygate/transaction', '/polygate/rollback/1']) {
    expect((await api.call('POST', path, { changes: [] })).status).toBe(404);
  }
});

test('a document may come and go as YAML', async () => {
  const yaml =
    'routes:\n  - { id: r2, uri: /r2, upstream: { type: roundrobin, nodes: { a: 1 } } }\n';
  const reply = await put(yaml, { type: 'application/yaml' });
  expect([reply.status, reply.text]).toEqual([202, '']);
  expect(await keys()).toEqual(['/routes/r2']);
  const got = await api.call('GET', '/configs', undefined, {
    headers: { Accept: 'application/yaml' },
  });
  expect(got.headers.get('content-type')).toBe('application/yaml');
  expect(got.text).toContain('routes:\n  - id: r2\n');
  expect(got.text).not.toMatch(/^---|\.\.\.$/);
});

test('a kind of the same version keeps its items, and a version never goes back', async () => {
  await put({ routes_conf_version: 5, routes: [route('a')], services: [{ id: 's' }] });
  await put({ routes_conf_version: 5, routes: [route('b')] });
  expect(await keys()).toEqual(['/routes/a']);
  const back = await put({ routes_conf_version: 4, routes: [route('b')] });
  expect(back.status).toBe(400);
  expect(back.body).toEqual({
    error_msg: 'routes_conf_version must be greater than or equal to (5)',
  });
  await put({ routes: [route('b')] });
  expect(await keys()).toEqual(['/routes/b']);
  const { body } = await api.call('GET', '/configs');
  expect(body).toMatchObject({ routes_conf_version: 6, services_conf_version: 3 });
});

test('an item that says it is of the same version is not looked into', async () => {
  await put({ routes: [route('a', { modifiedIndex: 1 })] });
  await put({ routes: [route('a', { modifiedIndex: 1, uri: '/other' })] });
  expect((await store.get('/routes/a'))?.value).toMatchObject({ uri: '/a' });
  await put({ routes: [route('a', { modifiedIndex: 2, uri: '/other' })] });
  expect(await store.get('/routes/a')).toMatchObject({
    modifiedIndex: 2,
    value: { id: 'a', uri: '/other', upstream },
  });
  await put({ routes: [] });
  await put({ routes: [route('a', { modifiedIndex: 2 })] });
  expect((await store.get('/routes/a'))?.value).toMatchObject({ uri: '/a' });
});

test('consumers stand with their credentials', async () => {
  const key = { 'key-auth': { key: 'auth-a' } };
  const consumers = [{ username: 'john' }, { id: 'john/credentials/a', plugins: key }];
  expect((await put({ consumers })).text).toBe('');
  expect(await keys()).toEqual(['/consumers/john', '/consumers/john/credentials/a']);
});

test.each([
  [{ routes_conf_version: 'x' }, 'routes_conf_version must be a number'],
  [{ routes: [route('a'), route('a')] }, 'found duplicate id a in routes'],
  [{ routes: {} }, undefined],
  [{ routes: { id: 1 } }, 'routes must be a list'],
  [{ routes: [route('a', { uri: 7 })] }, /property "uri" validation failed: wrong type/],
  [{ services: [{ id: 's', plugins: { 'no-such': {} } }] }, 'unknown plugin [no-such]'],
  [{ routes: [route('a', { modifiedIndex: 'x' })] }, /modifiedIndex/],
  [[], undefined],
  ['{abcd', /^invalid request body: /],
  ['', 'invalid request body: empty request body'],
  ['7', 'invalid request body: expected an object'],
])('%j is refused as a whole: %s', async (document, reason) => {
  await put({ routes: [route('kept')] });
  const { status, body } = await put(document);
  if (reason === undefined) {
    expect(status).toBe(202);
    return;
  }
  expect(status).toBe(400);
  expect(Object.keys(body as object)).toEqual(['error_msg']);
  expect(body.error_msg).toMatch(reason);
  expect(await keys()).toEqual(['/routes/kept']);
});

test('a body that is no YAML is refused without being repeated', async () => {
  const { status, text } = await put('routes: [secret', { type: 'application/yaml' });
  expect([status, text]).toEqual([
    400,
    '{"error_msg":"invalid request body: invalid yaml request body"}\n',
  ]);
});

test('without a digest nothing is written, and without a key nothing is shown', async () => {
  const { status, body } = await api.call('PUT', '/configs', { routes: [] });
  expect([status, body]).toEqual([400, { error_msg: 'missing digest header' }]);
  const headers = { 'X-API-KEY': 'wrong' };
  expect((await api.call('GET', '/configs', undefined, { headers })).status).toBe(401);
});

test('a document can be checked without being taken', async () => {
  const good = { routes: [route('a', { modifiedIndex: 3 })] };
  expect((await api.call('POST', '/configs/validate', good)).status).toBe(200);
  const bad = { routes: [route('a', { uri: 7 })] };
  expect((await api.call('POST', '/configs/validate', bad)).status).toBe(400);
  expect(await keys()).toEqual([]);
});

test.each(['/routes', '/routes/1', '/plugins/list', '/polygate/data-planes'])(
  'there is no %s in standalone mode',
  async (path) => {
    expect((await api.call('GET', path)).status).toBe(404);
  },
);

test.each(['$secret://', '$env://X', '$secret://vault/1/a'])(
  'an id that is the reference %s is refused',
  async (id) => {
    const { status, body } = await put({ routes: [route(id)] });
    expect([status, body.error_msg]).toEqual([400, expect.any(String)]);
    expect(await keys()).toEqual([]);
  },
);
