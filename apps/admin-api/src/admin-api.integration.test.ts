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
