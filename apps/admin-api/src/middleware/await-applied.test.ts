import { connectControlService, type ControlConnectRequest } from '@polygate/rpc';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { runAdminApi, type RunningAdminApi } from '../admin-api.harness.ts';

const route = { uri: '/', upstream: { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } } };

let api: RunningAdminApi;
const cleanups: (() => void)[] = [];
beforeAll(async () => {
  api = await runAdminApi();
});
afterAll(() => api.stop());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) cleanup();
  await vi.waitFor(async () => expect(await listed()).toEqual([]), { timeout: 10_000 });
});

async function listed(): Promise<{ applied_revision: number | null }[]> {
  const { body } = await api.call('GET', '/polygate/data-planes');
  return body.list as { applied_revision: number | null }[];
}

/** A data plane's end of the control stream. */
async function dial(instanceId: string) {
  const known = (await listed()).length;
  const client = connectControlService({ address: api.controlAddress });
  cleanups.push(() => client.close());
  const stream = client.connect();
  stream.on('error', () => undefined);
  stream.on('data', () => undefined);
  cleanups.push(() => stream.cancel());
  const send = (report: ControlConnectRequest['report']) => stream.write({ report });
  send({ $case: 'hello', value: { instanceId, hostname: `host-${instanceId}`, version: '1' } });
  await vi.waitFor(async () => expect(await listed()).toHaveLength(known + 1), { timeout: 10_000 });
  return {
    leave: () => stream.cancel(),
    apply: (revision: number, reason?: string) => {
      const item = { key: '/routes/1', revision, reason: reason ?? '', keepsOlderVersion: false };
      const rejected = reason === undefined ? [] : [item];
      send({ $case: 'applied', value: { revision, rejected } });
    },
  };
}

const revisionNow = async () => (await api.store.list('/')).revision;

test('each way of writing tells the revision, and reading does not', async () => {
  for (const [method, path, body] of [
    ['PUT', '/routes/1', route],
    ['PATCH', '/routes/1', { desc: 'x' }],
    ['POST', '/routes', route],
    ['PUT', '/consumers', { username: 'jack' }],
    ['DELETE', '/consumers/jack', undefined],
    ['DELETE', '/routes/1', undefined],
    ['PUT', '/plugins/reload', undefined],
  ] as const) {
    const { status, headers } = await api.call(method, path, body);
    expect(status).toBeLessThan(300);
    expect(headers.get('x-polygate-revision')).toBe(String(await revisionNow()));
  }
  for (const [method, path, body] of [
    ['GET', '/routes', undefined],
    ['DELETE', '/routes/none', undefined],
    ['PUT', '/routes/1', { uri: 1 }],
  ] as const) {
    const { headers } = await api.call(method, path, body);
    expect(headers.get('x-polygate-revision')).toBeNull();
  }
});

test('wait=applied answers once every data plane serves the write', async () => {
  const [first, second] = [await dial('a'), await dial('b')];
  let isAnswered = false;
  const before = await revisionNow();
  const reply = api
    .call('PUT', '/routes/1?wait=applied&timeout=30s', route)
    .finally(() => (isAnswered = true));
  await vi.waitFor(async () => expect(await revisionNow()).toBe(before + 1), { timeout: 10_000 });
  first.apply(before + 1);
  second.apply(before);
  await vi.waitFor(async () => {
    const revisions = (await listed()).map(({ applied_revision: at }) => at);
    expect(revisions).toEqual([before + 1, before]);
  });
  expect(isAnswered).toBe(false);
  second.apply(before + 2);
  const { status, headers, body } = await reply;
  expect([status, Object.keys(body as object)]).toEqual([201, ['key', 'value']]);
  expect(headers.get('x-polygate-applied')).toBe('2');
  expect(headers.get('x-polygate-revision')).toBe(String(before + 1));
});

test('a data plane that leaves is not waited for', async () => {
  const [first, second] = [await dial('a'), await dial('b')];
  const before = await revisionNow();
  const reply = api.call('PUT', '/routes/1?wait=applied&timeout=30s', route);
  await vi.waitFor(async () => expect(await revisionNow()).toBe(before + 1), { timeout: 10_000 });
  first.apply(before + 1);
  second.leave();
  expect((await reply).headers.get('x-polygate-applied')).toBe('1');
});

test('504 names the data planes that lag, and the write stays', async () => {
  const [first] = [await dial('a'), await dial('b')];
  const revision = (await revisionNow()) + 1;
  first.apply(revision);
  const { status, body, headers } = await api.call(
    'PUT',
    '/routes/1?wait=applied&timeout=200ms',
    route,
  );
  expect([status, body]).toEqual([
    504,
    {
      error_msg: `written at revision ${revision}, not applied within 200 ms: not by all`,
      revision,
      applied: 1,
      lagging: [{ instance_id: 'b', hostname: 'host-b', applied_revision: null }],
    },
  ]);
  expect(headers.get('x-polygate-revision')).toBe(String(revision));
  expect(await revisionNow()).toBe(revision);
});

test('504 where there is no data plane at all', async () => {
  const { status, body } = await api.call('PUT', '/routes/1?wait=applied&timeout=50ms', route);
  expect([status, body.error_msg, body.lagging]).toEqual([
    504,
    expect.stringContaining('no data plane is connected'),
    [],
  ]);
});

test('409 tells who rejected what was written and why', async () => {
  const first = await dial('a');
  const revision = (await revisionNow()) + 1;
  const reply = api.call('PUT', '/routes/1?wait=applied&timeout=30s', route);
  first.apply(revision, 'unknown plugin');
  const { status, body } = await reply;
  expect([status, body]).toEqual([
    409,
    {
      error_msg: `written at revision ${revision}, but rejected by data planes`,
      revision,
      rejected: [
        {
          instance_id: 'a',
          hostname: 'host-a',
          key: '/routes/1',
          revision,
          reason: 'unknown plugin',
          keeps_older_version: false,
        },
      ],
    },
  ]);
});

test.each([
  ['wait=soon', 'invalid argument wait: should be applied'],
  ['wait=applied&timeout=x', 'invalid argument timeout: should be a time as 5s or 500ms'],
  ['wait=applied&timeout=0', 'invalid argument timeout: should be a time as 5s or 500ms'],
  ['wait=applied&timeout=61s', 'at most 60s'],
])('?%s is refused before anything is written', async (query, text) => {
  const before = await revisionNow();
  const { status, body } = await api.call('PUT', `/routes/1?${query}`, route);
  expect([status, body.error_msg]).toEqual([400, expect.stringContaining(text)]);
  expect(await revisionNow()).toBe(before);
});

test('a write that is refused is not waited for', async () => {
  const { status } = await api.call('PUT', '/routes/1?wait=applied', { uri: 1 });
  expect(status).toBe(400);
});
