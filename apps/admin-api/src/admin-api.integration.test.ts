import { openEtcdStore } from '@polygate/config-store';
import { type EtcdServer, hasEtcd, startEtcd } from '@polygate/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { runAdminApi } from './admin-api.harness.ts';

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };
const route = { uri: '/hello', upstream };
const ignore = () => undefined;
const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

describe.skipIf(!hasEtcd())('the Admin API on etcd', () => {
  let etcd: EtcdServer;
  const cleanups: (() => Promise<void>)[] = [];
  let prefixes = 0;

  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd.close());
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  /** Each test has a prefix of its own. */
  async function start() {
    prefixes += 1;
    const prefix = `/gateway-${prefixes}`;
    const endpoints = [etcd.endpoint];
    const store = openEtcdStore({ endpoints, prefix, timeoutMs: 2000, log });
    cleanups.push(() => store.close());
    const api = await runAdminApi({ store, prefix });
    cleanups.push(() => api.stop());
    return { api, prefix };
  }

  /** Keys and values as etcdctl sees them. */
  async function readEtcd(prefix: string): Promise<Record<string, unknown>> {
    const out = await etcd.ctl(['get', '--prefix', prefix, '--write-out=json']);
    const { kvs = [] } = JSON.parse(out) as { kvs?: { key: string; value: string }[] };
    const decode = (text: string) => Buffer.from(text, 'base64').toString();
    return Object.fromEntries(
      kvs.map(({ key, value }) => [decode(key), JSON.parse(decode(value))]),
    );
  }

  test('objects lie where APISIX looks for them, with the values it expects', async () => {
    const { api, prefix } = await start();
    await api.call('PUT', '/upstreams/1', upstream);
    await api.call('PUT', '/routes/1', route);
    await api.call('PUT', '/consumers', { username: 'jack' });
    await api.call('PUT', '/plugin_metadata/echo', { a: 1 });
    const { body: posted } = await api.call('POST', '/services', { upstream_id: '1' });

    const stored = await readEtcd(`${prefix}/`);
    const times = { create_time: expect.any(Number), update_time: expect.any(Number) };
    const { id } = posted.value as { id: string };
    expect(id).toMatch(/^\d{20}$/);
    delete stored[`${prefix}/gen_id`];
    expect(stored).toEqual({
      [`${prefix}/upstreams/1`]: { ...upstream, id: '1', ...times },
      [`${prefix}/routes/1`]: { ...route, id: '1', ...times },
      [`${prefix}/consumers/jack`]: { username: 'jack', ...times },
      [`${prefix}/plugin_metadata/echo`]: { a: 1, id: 'echo' },
      [`${prefix}/services/${id}`]: { upstream_id: '1', id, ...times },
    });
    expect(posted.key).toBe(`${prefix}/services/${id}`);
  });

  test('objects that APISIX wrote are read, and its placeholders are not shown', async () => {
    const { api, prefix } = await start();
    await etcd.ctl(['put', `${prefix}/routes/`, 'init_dir']);
    await etcd.ctl(['put', `${prefix}/routes/9`, JSON.stringify({ ...route, id: '9' })]);
    await etcd.ctl(['put', `${prefix}/routes/bad`, '{no json']);
    const { body } = await api.call('GET', '/routes');
    expect(body).toMatchObject({ total: 1, list: [{ key: `${prefix}/routes/9` }] });
    const bad = await api.call('GET', '/routes/bad');
    expect([bad.status, bad.body.error_msg]).toEqual([
      500,
      expect.stringContaining('the stored value of /routes/bad is invalid'),
    ]);
    expect((await api.call('DELETE', '/routes/bad')).status).toBe(200);
  });

  test('an object with a ttl hangs on a lease', async () => {
    const { api, prefix } = await start();
    expect((await api.call('PUT', '/routes/1?ttl=600', route)).status).toBe(201);
    const out = await etcd.ctl(['get', `${prefix}/routes/1`, '--write-out=json']);
    expect(JSON.parse(out)).toMatchObject({ kvs: [{ lease: expect.any(Number) }] });
  });

  test('of two patches at the same time both count, or one is told that it lost', async () => {
    const { api } = await start();
    await api.call('PUT', '/routes/1', route);
    const labels = Array.from({ length: 8 }, (_, n) => `l${n}`);
    const replies = await Promise.all(
      labels.map((label) => api.call('PATCH', '/routes/1', { labels: { [label]: 'x' } })),
    );
    const won = labels.filter((_, n) => replies[n]?.status === 200);
    const lost = replies.filter(({ status }) => status !== 200);
    expect(won.length).toBeGreaterThan(0);
    for (const { status, body } of lost) {
      expect([status, body.error_msg]).toEqual([503, 'value changed before overwritten']);
    }
    const { body } = await api.call('GET', '/routes/1');
    expect(Object.keys(body.value.labels as object).toSorted()).toEqual(won.toSorted());
  });

  test('transactions and rollbacks are one revision each, and the history knows them', async () => {
    const { api } = await start();
    const changes = [
      { method: 'PUT', path: '/routes/1', body: { uri: '/', service_id: 's' } },
      { method: 'PUT', path: '/services/s', body: { upstream } },
    ];
    const done = await api.call('POST', '/polygate/transaction', { changes });
    expect(done.status).toBe(200);
    const then = done.body.revision as number;
    const { headers } = await api.call('DELETE', '/routes/1');
    expect(headers.get('x-polygate-revision')).toBe(String(then + 1));
    const back = await api.call('POST', `/polygate/rollback/${then}`);
    expect([back.status, back.body.revision]).toEqual([200, then + 2]);
    expect((await api.call('GET', '/routes/1')).body.value.service_id).toBe('s');
    const { body } = await api.call('GET', '/polygate/history?limit=3');
    const list = body.list as { revision: number; total: number }[];
    expect(list.map(({ revision, total }) => [revision, total])).toEqual([
      [then + 2, 1],
      [then + 1, 1],
      [then, 2],
    ]);
    await etcd.compact();
    const gone = await api.call('POST', `/polygate/rollback/${then}`);
    expect(gone.status).toBe(410);
  });

  test('a transaction that etcd does not take is refused with what to do', async () => {
    const { api } = await start();
    const desc = 'x'.repeat(200);
    const put = (path: string, body: object) => ({ method: 'PUT', path, body });
    const routes = Array.from({ length: 8000 }, (_, n) => put(`/routes/${n}`, { ...route, desc }));
    const large = await api.call('POST', '/polygate/transaction', { changes: routes });
    expect([large.status, large.body.error_msg]).toEqual([
      400,
      expect.stringContaining('--max-request-bytes'),
    ]);
    const fits = routes.slice(0, 3000);
    expect((await api.call('POST', '/polygate/transaction', { changes: fits })).status).toBe(200);

    const upstreams = Array.from({ length: 200 }, (_, n) => put(`/upstreams/${n}`, upstream));
    const made = await api.call('POST', '/polygate/transaction', { changes: upstreams });
    expect(made.status).toBe(200);
    const users = upstreams.map((_, n) =>
      put(`/routes/${n}`, { uri: '/', upstream_id: String(n) }),
    );
    const many = await api.call('POST', '/polygate/transaction', { changes: users });
    expect([many.status, many.body.error_msg]).toEqual([
      400,
      expect.stringContaining('--max-txn-ops'),
    ]);
    const together = await api.call('POST', '/polygate/transaction', {
      changes: [...users, ...upstreams],
    });
    expect(together.status).toBe(200);
  });

  test('transactions that get into each other’s way leave no dangling reference', async () => {
    const { api } = await start();
    const service = { method: 'PUT', path: '/services/s', body: { upstream } };
    const user = { method: 'PUT', path: '/routes/1', body: { uri: '/', service_id: 's' } };
    const without = { ...user, body: { uri: '/', upstream } };
    const gone = { method: 'DELETE', path: '/services/s' };
    const transact = (...changes: object[]) =>
      api.call('POST', '/polygate/transaction', { changes });
    await transact(service, without);
    for (let round = 0; round < 10; round += 1) {
      const replies = await Promise.all([transact(user), transact(gone), transact(without)]);
      expect(replies.every(({ status }) => [200, 400, 409].includes(status))).toBe(true);
      const { body } = await api.call('GET', '/routes/1');
      const { status } = await api.call('GET', '/services/s');
      if (body.value.service_id !== undefined) expect(status).toBe(200);
      await transact(service, without);
    }
  });

  test('while etcd is away the answer is 503, and when it is back all is well again', async () => {
    const { api } = await start();
    await api.call('PUT', '/routes/1', route);
    await etcd.stop();
    for (const [method, path, body] of [
      ['GET', '/routes/1', undefined],
      ['GET', '/routes', undefined],
      ['PUT', '/routes/1', route],
      ['POST', '/routes', route],
      ['PATCH', '/routes/1', { desc: 'x' }],
      ['DELETE', '/routes/1', undefined],
      ['PUT', '/plugins/reload', undefined],
    ] as const) {
      const reply = await api.call(method, path, body);
      expect([reply.status, typeof reply.body.error_msg]).toEqual([503, 'string']);
    }
    await etcd.start();
    await expect
      .poll(async () => (await api.call('GET', '/routes/1')).status, { timeout: 30_000 })
      .toBe(200);
  });
});
