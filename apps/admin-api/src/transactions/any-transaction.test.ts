import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runAdminApi, type RunningAdminApi } from '../admin-api.harness.ts';

let api: RunningAdminApi;
beforeAll(async () => {
  api = await runAdminApi();
});
afterAll(() => api.stop());

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };
const id = fc.constantFrom('1', '2', '3');
const json = fc.jsonValue({ maxDepth: 2 });

const body = fc.oneof(
  { weight: 6, arbitrary: id.map((service_id) => ({ uri: '/', service_id })) },
  { weight: 4, arbitrary: fc.constant({ uri: '/', upstream }) },
  { weight: 3, arbitrary: fc.constant(upstream) },
  { weight: 6, arbitrary: fc.constant({ upstream }) },
  {
    weight: 2,
    arbitrary: id.map((n) => ({ username: `c${n}`, plugins: { 'key-auth': { key: n } } })),
  },
  { weight: 1, arbitrary: fc.constant({ field_path: 'Query' }) },
  { weight: 1, arbitrary: json },
);
const path = fc.oneof(
  { weight: 8, arbitrary: id.map((n) => `/routes/${n}`) },
  { weight: 6, arbitrary: id.map((n) => `/services/${n}`) },
  { weight: 2, arbitrary: id.map((n) => `/upstreams/${n}`) },
  { weight: 2, arbitrary: id.map((n) => `/consumers/c${n}`) },
  { weight: 1, arbitrary: fc.constant('/consumers') },
  { weight: 1, arbitrary: id.map((n) => `/consumers/c${n}/credentials/${n}`) },
  { weight: 1, arbitrary: id.map((n) => `/services/${n}/graphql_cost_decorations/d`) },
  { weight: 1, arbitrary: id.map((n) => `/routes/${n}/plugins`) },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.constantFrom('routes', '..', '__proto__', ' ', 'é', ''))
      .map((a) => `/${a.join('/')}`),
  },
);
const method = fc.constantFrom('PUT', 'PUT', 'PUT', 'PATCH', 'DELETE');
const put = (of: (n: string) => { path: string; body: object }) =>
  id.map((n) => ({ method: 'PUT', ...of(n) }));
const likely = fc.oneof(
  put((n) => ({ path: `/services/${n}`, body: { upstream } })),
  put((n) => ({ path: `/routes/${n}`, body: { uri: '/', service_id: n } })),
  put((n) => ({ path: `/routes/${n}`, body: { uri: '/', upstream } })),
  put((n) => ({ path: '/consumers', body: { username: `c${n}` } })),
  put((n) => ({ path: `/consumers/c${n}/credentials/${n}`, body: {} })),
  fc.record({
    method: fc.constant('DELETE'),
    path: fc.oneof(
      id.map((n) => `/routes/${n}`),
      id.map((n) => `/services/${n}`),
      id.map((n) => `/consumers/c${n}`),
    ),
  }),
);
const any = fc
  .record({ method, path, body })
  .map((one) => (one.method === 'DELETE' ? { method: one.method, path: one.path } : one));
const change = fc.oneof(
  { weight: 20, arbitrary: likely },
  { weight: 5, arbitrary: any },
  { weight: 1, arbitrary: json },
);

async function dangling(): Promise<string[]> {
  const { items } = await api.store.list('/');
  const keys = new Set(items.map(({ key }) => key));
  return items.flatMap(({ key, value }) => {
    const service = (value as { service_id?: string }).service_id;
    const owner = /^(\/consumers\/[^/]+)\/credentials\//.exec(key)?.[1];
    const needed = [service && `/services/${service}`, owner].filter((one) => one !== undefined);
    return needed.filter((one) => one !== '' && !keys.has(String(one)));
  });
}

test('whatever a transaction holds, it is done whole, or refused and nothing is changed', async () => {
  const counts = { done: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 5 }), async (changes) => {
      const before = await api.store.list('/');
      const { status, body: answer } = await api.call('POST', '/polygate/transaction', { changes });
      const after = await api.store.list('/');
      if (status === 200) {
        counts.done += 1;
        expect(after.revision).toBe(before.revision + 1);
        expect(await dangling()).toEqual([]);
        return;
      }
      counts.refused += 1;
      expect([400, 409]).toContain(status);
      expect(typeof answer.error_msg).toBe('string');
      expect(after).toEqual(before);
    }),
    { numRuns: 400 },
  );
  // the generator makes both, or nothing would be shown
  expect(counts.done).toBeGreaterThan(40);
  expect(counts.refused).toBeGreaterThan(40);
}, 60_000);

test('each revision of that can be gone back to', async () => {
  const { body: answer } = await api.call('GET', '/polygate/history?limit=30');
  const revisions = (answer.list as { revision: number }[]).map(({ revision }) => revision);
  for (const revision of revisions) {
    const then = await api.store.listAt('/', revision);
    const { status } = await api.call('POST', `/polygate/rollback/${revision}`);
    expect(status).toBe(200);
    const now = await api.store.list('/');
    const values = (items: typeof then) =>
      Object.fromEntries(items.map(({ key, value }) => [key, value]));
    expect(values(now.items)).toEqual(values(then));
  }
});
