import { afterEach, expect, test } from 'vitest';
import { ADMIN_KEY, runAdminApi, type RunningAdminApi } from '../admin-api.harness.ts';
import { FailedKeys } from './failed-keys.ts';

const make = (options: { failuresMax?: number; addressesMax?: number } = {}) => {
  const clock = { ms: 0 };
  const keys = new FailedKeys({ failuresMax: 3, windowMs: 1000, now: () => clock.ms, ...options });
  const fail = (address: string, times = 1) => {
    for (let n = 0; n < times; n += 1) keys.note(address);
  };
  return { clock, keys, fail };
};

test('an address is blocked from its last allowed failure to the end of its window', () => {
  const { clock, keys, fail } = make();
  fail('10.0.0.1', 2);
  expect(keys.blockedMs('10.0.0.1')).toBe(0);
  clock.ms = 400;
  fail('10.0.0.1');
  expect(keys.blockedMs('10.0.0.1')).toBe(600);
  expect(keys.blockedMs('10.0.0.2')).toBe(0);
  fail('10.0.0.1', 50);
  clock.ms = 999;
  expect(keys.blockedMs('10.0.0.1')).toBe(1);
  clock.ms = 1000;
  expect(keys.blockedMs('10.0.0.1')).toBe(0);
  fail('10.0.0.1', 2);
  expect(keys.blockedMs('10.0.0.1')).toBe(0);
});

test('the addresses of one IPv6 network count together', () => {
  const { keys, fail } = make();
  fail('2001:db8:0:1::1');
  fail('2001:db8:0:1:a:b:c:d');
  fail('2001:db8::1:0:0:0:9');
  for (const address of ['2001:db8:0:1::ffff', '2001:db8:0:1:2::']) {
    expect(keys.blockedMs(address)).toBe(1000);
  }
  for (const address of ['2001:db8:0:2::1', '2001:db8::1', '::1', '::ffff:10.0.0.1']) {
    expect(keys.blockedMs(address)).toBe(0);
  }
  fail('::ffff:10.0.0.1', 3);
  expect(keys.blockedMs('::ffff:10.0.0.1')).toBe(1000);
  expect(keys.blockedMs('::ffff:10.0.0.2')).toBe(0);
});

test('of more addresses than fit the one that failed first is forgotten', () => {
  const { clock, keys, fail } = make({ addressesMax: 3 });
  for (const [n, address] of ['10.0.0.1', '10.0.0.2', '10.0.0.3'].entries()) {
    clock.ms = n;
    fail(address, 3);
  }
  fail('10.0.0.4', 3);
  const blocked = ['1', '2', '3', '4'].map((n) => keys.blockedMs(`10.0.0.${n}`) > 0);
  expect(blocked).toEqual([false, true, true, true]);
});

test('with a limit of none nothing is counted', () => {
  const { keys, fail } = make({ failuresMax: 0 });
  fail('10.0.0.1', 100);
  expect(keys.blockedMs('10.0.0.1')).toBe(0);
});

let api: RunningAdminApi | undefined;
afterEach(() => api?.stop());

test('after too many wrong keys an address gets 429, with the right key too', async () => {
  const polygate = '  admin: { failed_keys_max: 3, failed_keys_window_ms: 3600000 }';
  api = await runAdminApi({ more: polygate });
  const { url } = api;
  const ask = (key: string | undefined) =>
    fetch(`${url}/apisix/admin/routes`, key === undefined ? {} : { headers: { 'X-API-KEY': key } });
  const missing = await Promise.all(Array.from({ length: 5 }, () => ask(undefined)));
  expect(missing.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401]);
  for (const [key, status] of [
    ['wrong', 401],
    [ADMIN_KEY, 200],
    ['wrong', 401],
    [ADMIN_KEY, 200],
    ['wrong', 401],
    [ADMIN_KEY, 429],
    ['wrong', 429],
  ] as const) {
    expect((await ask(key)).status).toBe(status);
  }
  const refused = await ask(ADMIN_KEY);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3500);
  expect(await refused.json()).toEqual({ error_msg: 'too many wrong keys from this address' });
});
