import { openEmbeddedStore } from '@polygate/config-store';
import { afterEach, expect, test } from 'vitest';
import { runAdminApi, type RunningAdminApi } from '../admin-api.harness.ts';

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };
const ignore = () => undefined;
const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options: { historyRevisionsMax?: number; more?: string } = {}) {
  const { historyRevisionsMax = 1000, more = '' } = options;
  const store = openEmbeddedStore({ file: ':memory:', log, historyRevisionsMax });
  cleanups.push(() => store.close());
  const api = await runAdminApi({ store, more });
  cleanups.push(() => api.stop());
  return { api, store };
}

const revisionOf = (reply: Awaited<ReturnType<RunningAdminApi['call']>>) =>
  Number(reply.headers.get('x-polygate-revision'));

test('the history tells which revisions changed what, in pages, and of one object', async () => {
  const { api } = await start();
  const revisions: number[] = [];
  for (const uri of ['/a', '/b', '/c']) {
    revisions.push(revisionOf(await api.call('PUT', '/routes/1', { uri, upstream })));
  }
  revisions.push(revisionOf(await api.call('PUT', '/routes/2', { uri: '/', upstream })));
  revisions.push(revisionOf(await api.call('DELETE', '/routes/1')));
  const { body } = await api.call('GET', '/polygate/history');
  expect(body).toMatchObject({ next_before: null, oldest_revision: 1 });
  const list = body.list as { revision: number }[];
  expect(list.map(({ revision }) => revision)).toEqual(revisions.toReversed());
  expect(list[0]).toEqual({
    revision: revisions[4],
    total: 1,
    changes: [{ key: '/routes/1', action: 'delete' }],
  });
  const page = await api.call('GET', '/polygate/history?limit=2');
  expect(page.body.list).toEqual(list.slice(0, 2));
  const next = `/polygate/history?limit=2&before=${page.body.next_before}`;
  expect((await api.call('GET', next)).body.list).toEqual(list.slice(2, 4));
  const one = await api.call('GET', '/polygate/history?key=/routes/2');
  expect(one.body.list).toEqual([list[1]]);
});

test.each([
  'limit=0',
  'limit=501',
  'limit=x',
  'before=0',
  'before=-1',
  'key=routes',
  'key=/routes/',
])('the argument %s is refused by its name', async (query) => {
  const { api } = await start();
  const { status, body } = await api.call('GET', `/polygate/history?${query}`);
  const name = query.split('=')[0];
  expect([status, body.error_msg]).toEqual([400, expect.stringContaining(`argument ${name}`)]);
});

test('a rollback makes everything what it was, in one revision', async () => {
  const { api, store } = await start();
  await api.call('PUT', '/services/s', { upstream });
  await api.call('PUT', '/routes/kept', { uri: '/kept', upstream });
  const then = revisionOf(await api.call('PUT', '/routes/1', { uri: '/', service_id: 's' }));
  const { items } = await store.list('/');
  await api.call('DELETE', '/routes/1');
  await api.call('DELETE', '/services/s');
  await api.call('PUT', '/routes/new', { uri: '/new', upstream });
  const now = revisionOf(await api.call('PATCH', '/routes/kept', { uri: '/other' }));

  const shown = await api.call('POST', `/polygate/rollback/${then}?dry_run=true`);
  expect([shown.status, shown.body.dry_run]).toEqual([200, true]);
  const actions = (list: { key: string; action: string }[]) =>
    list.map(({ key, action }) => `${action} ${key}`).toSorted();
  const expected = [
    'create /routes/1',
    'create /services/s',
    'delete /routes/new',
    'update /routes/kept',
  ];
  expect(actions(shown.body.changes as never)).toEqual(expected);
  expect((await store.list('/')).revision).toBe(now);

  const done = await api.call('POST', `/polygate/rollback/${then}`);
  expect([done.status, revisionOf(done)]).toEqual([200, now + 1]);
  expect(actions(done.body.changes as never)).toEqual(expected);
  const restored = (await store.list('/')).items.map(({ key, value }) => [key, value]);
  const former = items.map(({ key, value }) => [key, value]);
  expect(Object.fromEntries(restored)).toEqual(Object.fromEntries(former));
  const again = await api.call('POST', `/polygate/rollback/${then}`);
  expect([again.status, again.body]).toEqual([200, { revision: now + 1, changes: [] }]);
  expect((await store.list('/')).revision).toBe(now + 1);
});

test('what was stored encrypted comes back byte for byte, and is shown in clear', async () => {
  const more = `apisix:
  data_encryption: { enable_encrypt_fields: true, keyring: [abcdefghijklmnop] }`;
  const { api, store } = await start({ more });
  const plugins = { 'key-auth': { key: 'secret-one' } };
  const then = revisionOf(await api.call('PUT', '/consumers', { username: 'jack', plugins }));
  const stored = await store.get('/consumers/jack');
  expect(JSON.stringify(stored?.value)).not.toContain('secret-one');
  await api.call('DELETE', '/consumers/jack');
  const shown = await api.call('POST', `/polygate/rollback/${then}?dry_run=true`);
  expect(shown.body.changes[0].after.plugins).toEqual(plugins);
  await api.call('POST', `/polygate/rollback/${then}`);
  expect((await store.get('/consumers/jack'))?.value).toEqual(stored?.value);
  expect((await api.call('GET', '/consumers/jack')).body.value.plugins).toEqual(plugins);
});

test('what the rules of today forbid is not taken back, but by force', async () => {
  const { api, store } = await start();
  const item = { id: '1', uri: '/', upstream, plugins: { gone: {} } };
  const then = (await store.put('/routes/1', item)).item.modifiedIndex;
  await api.call('DELETE', '/routes/1');
  const { status, body } = await api.call('POST', `/polygate/rollback/${then}`);
  expect([status, body.errors]).toEqual([
    400,
    [
      {
        index: 0,
        method: 'PUT',
        path: '/routes/1',
        status: 400,
        error_msg: 'unknown plugin [gone]',
      },
    ],
  ]);
  const forced = await api.call('POST', `/polygate/rollback/${then}?force=true`);
  expect(forced.status).toBe(200);
  expect((await store.get('/routes/1'))?.value).toEqual(item);
});

test('the list of plugins stays that of the configuration file', async () => {
  const { api, store } = await start();
  const then = revisionOf(await api.call('PUT', '/routes/1', { uri: '/', upstream }));
  await api.call('PUT', '/plugins/reload');
  expect((await api.call('POST', `/polygate/rollback/${then}`)).body.changes).toEqual([]);
  expect(await store.get('/plugins')).toBeDefined();
});

test('a revision that is no longer kept answers 410, one that is none 400', async () => {
  const { api } = await start({ historyRevisionsMax: 5 });
  const first = revisionOf(await api.call('PUT', '/routes/1', { uri: '/', upstream }));
  for (let n = 0; n < 10; n += 1) await api.call('PUT', '/routes/1', { uri: `/${n}`, upstream });
  for (const [revision, status] of [
    [first, 410],
    [first + 1000, 400],
    ['x', 400],
    ['0', 400],
    ['-1', 400],
    ['99999999999999999999', 400],
  ]) {
    const reply = await api.call('POST', `/polygate/rollback/${revision}`);
    expect([revision, reply.status]).toEqual([revision, status]);
  }
});
