import { memorySharedState, mountPlugin, validConf } from '@polygate/testing';
import type { PluginRequest } from '@polygate/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import plugin from './limit-conn.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);
const KEY = { default_conn_delay: 0.001, key: 'remote_addr' };

let shared: ReturnType<typeof memorySharedState>;
beforeEach(() => {
  shared = memorySharedState();
});

const mount = (raw: object) => mountPlugin(plugin, conf({ ...KEY, ...raw }), { shared });
type Mounted = ReturnType<typeof mount>;

/** What each got, of requests that come at once. */
async function statusesOf(mounted: Mounted, requests: readonly PluginRequest[]) {
  // all of them are in the access phase before the first ends
  return (await Promise.all(requests.map((request) => mounted.request(request)))).map(
    ({ status }) => status,
  );
}

describe('limit-conn', () => {
  test('lets in conn and burst at a time, and all again when they are gone', async () => {
    const mounted = mount({ conn: 2, burst: 1 });
    for (let round = 0; round < 3; round++) {
      expect(await statusesOf(mounted, Array(5).fill({}))).toEqual([200, 200, 200, 503, 503]);
    }
  });

  test('those beyond conn wait, longer with each time that they are as many', async () => {
    const mounted = mount({ conn: 1, burst: 2, default_conn_delay: 0.05 });
    const startedMs = performance.now();
    const ends = await Promise.all(
      [1, 2, 3].map(() => mounted.request().then(() => performance.now() - startedMs)),
    );
    expect(ends[0]).toBeLessThan(45);
    expect(ends[1]).toBeGreaterThanOrEqual(48);
    expect(ends[2]).toBeGreaterThanOrEqual(98);
  });

  test('gives a place back once, whoever else holds some', async () => {
    const [one, other] = [mount({ conn: 1, burst: 0 }), mount({ conn: 5, burst: 0 })];
    let inside = 0;
    await one.request({ atUpstream: () => (inside += 1) });
    await Promise.all([one.request(), other.request()]);
    expect(await statusesOf(one, [{}, {}])).toEqual([200, 503]);
    expect(inside).toBe(1);
  });

  test('a refused request takes no place', async () => {
    const mounted = mount({ conn: 1, burst: 0 });
    expect(await statusesOf(mounted, Array(10).fill({}))).toEqual([
      ...[200, 503, 503, 503, 503, 503, 503, 503, 503, 503],
    ]);
    expect(await statusesOf(mounted, [{}])).toEqual([200]);
  });

  test('counts each value of the key apart, and by address where there is none', async () => {
    const mounted = mount({ conn: 1, burst: 0, key: 'http_x_user' });
    const [a, b] = ['a', 'b'].map((user) => ({ headers: { 'x-user': user } })) as [object, object];
    expect(await statusesOf(mounted, [a, b, a, {}, {}])).toEqual([200, 200, 503, 200, 503]);
  });

  test('takes conn and burst from variables', async () => {
    const mounted = mount({ conn: '${http_conn ?? 2}', burst: '${http_burst ?? 0}' });
    expect(await statusesOf(mounted, Array(3).fill({}))).toEqual([200, 200, 503]);
    const wide = { headers: { conn: '2', burst: '1' } };
    expect(await statusesOf(mounted, Array(4).fill(wide))).toEqual([200, 200, 200, 503]);
  });

  test.each([
    ['conn', '0', 'resolved value must be a positive number, got: 0'],
    ['conn', '1.5', 'resolved value must be an integer, got: 1.5'],
    ['conn', 'x', 'resolved value is not a number'],
    ['burst', '-1', 'resolved value must be a non-negative number, got: -1'],
  ])('answers 500 when a variable makes %s %j', async (name, value, problem) => {
    const mounted = mount({ conn: '${http_conn ?? 1}', burst: '${http_burst ?? 0}' });
    const run = await mounted.request({ headers: { [name]: value } });
    expect(run.status).toBe(500);
    expect(run.log).toEqual([`error: failed to get limit conn rules: ${problem}`]);
    const lenient = mount({ conn: '$http_conn', burst: 0, allow_degradation: true });
    expect((await lenient.request()).status).toBe(200);
  });

  test('rules count side by side; those that cannot be worked out are left out', async () => {
    const rules = [
      { conn: '${http_conn ?? 1}', burst: 0, key: '${http_user}' },
      { conn: 2, burst: 0, key: '${http_project}' },
    ];
    const mounted = mount({ key: undefined, rules });
    const user = { headers: { user: 'jack' } };
    const both = { headers: { user: 'rose', project: 'p' } };
    const project = { headers: { project: 'p' } };
    expect(await statusesOf(mounted, [user, user, both, project, project])).toEqual([
      ...[200, 503, 200, 200, 503],
    ]);
    const broken = { headers: { user: 'jack', conn: 'many', project: 'q' } };
    expect(await statusesOf(mounted, [broken, broken, broken])).toEqual([200, 200, 503]);
    expect(await statusesOf(mounted, [{}])).toEqual([500]);
  });

  test('rejects with the code and message of the conf', async () => {
    const mounted = mount({ conn: 1, burst: 0, rejected_code: 429, rejected_msg: 'too many' });
    const [, refused] = await Promise.all([mounted.request(), mounted.request()]);
    expect([refused.status, refused.text]).toEqual([429, '{"error_msg":"too many"}\n']);
  });
});

describe('limit-conn refuses', () => {
  const valid = { conn: 1, burst: 0, ...KEY };
  test.each([
    ['no key', { ...valid, key: undefined }, 'value should match only one schema'],
    ['a conn of 0', { ...valid, conn: 0 }, 'property "conn" validation failed'],
    ['a delay of 0', { ...valid, default_conn_delay: 0 }, 'property "default_conn_delay"'],
    ['conn and rules', { ...valid, rules: [] }, 'value should match only one schema'],
    ['redis without a host', { ...valid, policy: 'redis' }, 'then clause did not match'],
    [
      'an empty message',
      { ...valid, rejected_msg: '' },
      'property "rejected_msg" validation failed',
    ],
  ])('%s', (_what, raw, message) => {
    expect(() => conf(JSON.parse(JSON.stringify(raw)) as object)).toThrow(message);
  });
});
