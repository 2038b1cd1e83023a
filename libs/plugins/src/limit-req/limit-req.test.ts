import { FakeClock, memorySharedState, mountPlugin, validConf } from '@polygate/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import plugin from './limit-req.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);
const KEY = { key: 'remote_addr' };

let clock: FakeClock;
let shared: ReturnType<typeof memorySharedState>;
beforeEach(() => {
  clock = new FakeClock(1_000_000);
  shared = memorySharedState(clock.now);
});

const mount = (raw: object) => mountPlugin(plugin, conf({ ...KEY, ...raw }), { shared });

async function statuses(mounted: ReturnType<typeof mount>, requests: readonly object[]) {
  const seen: number[] = [];
  for (const request of requests) seen.push((await mounted.request(request)).status);
  return seen;
}

describe('limit-req', () => {
  test('lets in what the rate allows, and answers the rest with 503', async () => {
    const mounted = mount({ rate: 2, burst: 0 });
    expect(await statuses(mounted, [{}, {}])).toEqual([200, 503]);
    clock.advance(499);
    expect(await statuses(mounted, [{}])).toEqual([503]);
    clock.advance(1);
    expect(await statuses(mounted, [{}, {}])).toEqual([200, 503]);
  });

  test('keeps to a rate of less than one a second', async () => {
    const mounted = mount({ rate: 0.1, burst: 0 });
    expect(await statuses(mounted, [{}])).toEqual([200]);
    clock.advance(9_999);
    expect(await statuses(mounted, [{}])).toEqual([503]);
    clock.advance(1);
    expect(await statuses(mounted, [{}])).toEqual([200]);
  });

  test('lets in as many more as the burst says, and no more', async () => {
    const mounted = mount({ rate: 1, burst: 3, nodelay: true });
    expect(await statuses(mounted, Array(6).fill({}))).toEqual([200, 200, 200, 200, 503, 503]);
    clock.advance(2_000);
    expect(await statuses(mounted, Array(3).fill({}))).toEqual([200, 200, 503]);
  });

  test('lets them wait as long as the ones before them take', async () => {
    const mounted = mount({ rate: 20, burst: 5 });
    const startedMs = performance.now();
    expect(await statuses(mounted, [{}])).toEqual([200]);
    expect(performance.now() - startedMs).toBeLessThan(45);
    expect(await statuses(mounted, [{}, {}])).toEqual([200, 200]);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(145);
  });

  test('counts each value of the key apart, and by address where there is none', async () => {
    const mounted = mount({ rate: 1, burst: 0, key: 'http_x_user' });
    const [a, b] = ['a', 'b'].map((user) => ({ headers: { 'x-user': user } })) as [object, object];
    expect(await statuses(mounted, [a, b, a])).toEqual([200, 200, 503]);
    expect(await statuses(mounted, [{}, { clientAddress: '10.0.0.1' }, {}])).toEqual([
      ...[200, 200, 503],
    ]);
    const both = { key: '$http_x_user $remote_addr', key_type: 'var_combination' };
    const combined = mount({ rate: 1, burst: 0, ...both });
    expect(await statuses(combined, [a, { ...a, clientAddress: '10.0.0.1' }, a])).toEqual([
      ...[200, 200, 503],
    ]);
  });

  test('rejects with the code and message of the conf', async () => {
    const mounted = mount({ rate: 1, burst: 0, rejected_code: 429, rejected_msg: 'slow down' });
    await mounted.request();
    const run = await mounted.request();
    expect([run.status, run.text]).toEqual([429, '{"error_msg":"slow down"}\n']);
  });
});

describe('limit-req refuses', () => {
  test.each([
    ['a rate of 0', { rate: 0 }, 'property "rate" validation failed: expected 0 to be greater'],
    ['a burst below 0', { burst: -1 }, 'property "burst" validation failed'],
    ['no rate', { rate: undefined }, 'property "rate" is required'],
    ['a constant key', { key_type: 'constant' }, 'property "key_type" validation failed'],
    ['redis without a host', { policy: 'redis' }, 'then clause did not match'],
    ['a cluster without nodes', { policy: 'redis-cluster' }, 'else clause did not match'],
    ['a sentinel', { policy: 'redis-sentinel' }, 'property "policy" validation failed'],
  ])('%s', (_what, raw, message) => {
    const whole = JSON.parse(JSON.stringify({ rate: 1, burst: 1, ...KEY, ...raw })) as object;
    expect(() => conf(whole)).toThrow(message);
  });
});
