import { FakeClock, memorySharedState, mountPlugin, validConf } from '@polygate/testing';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import plugin from './limit-count.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);
const source = (id: string) => ({ kind: 'route', id, modifiedIndex: 1 });

let clock: FakeClock;
let shared: ReturnType<typeof memorySharedState>;
beforeEach(() => {
  clock = new FakeClock(1_000_000);
  shared = memorySharedState(clock.now);
});

const mount = (raw: object, env: object = {}) => mountPlugin(plugin, conf(raw), { shared, ...env });

async function statuses(mounted: ReturnType<typeof mount>, requests: readonly object[]) {
  const seen: number[] = [];
  for (const request of requests) seen.push((await mounted.request(request)).status);
  return seen;
}

describe('limit-count', () => {
  test('lets as many requests through as the window allows, and then answers 503', async () => {
    const mounted = mount({ count: 2, time_window: 60 });
    expect(await statuses(mounted, [{}, {}, {}, {}])).toEqual([200, 200, 503, 503]);
    clock.advance(60_000);
    expect(await statuses(mounted, [{}])).toEqual([200]);
  });

  test('says in headers what is left and when the window ends', async () => {
    const mounted = mount({ count: 2, time_window: 60, rejected_code: 429 });
    const first = await mounted.request();
    expect(first.headers.toRaw()).toEqual([
      ...['X-RateLimit-Limit', '2', 'X-RateLimit-Remaining', '1', 'X-RateLimit-Reset', '60'],
    ]);
    clock.advance(1_234);
    const second = await mounted.request();
    expect(second.headers.get('X-RateLimit-Remaining')).toBe('0');
    expect(second.headers.get('X-RateLimit-Reset')).toBe('58.76');
    const rejected = await mounted.request();
    expect(rejected.status).toBe(429);
    expect(rejected.reply?.body).toBeUndefined();
    expect(rejected.headers.get('X-RateLimit-Remaining')).toBe('0');
    expect(rejected.headers.get('X-RateLimit-Reset')).toBe('58.76');
  });

  test('keeps the quota to itself on demand', async () => {
    const mounted = mount({ count: 1, time_window: 60, show_limit_quota_header: false });
    await mounted.request();
    expect((await mounted.request()).headers.size).toBe(0);
  });

  test('takes header names from the metadata', async () => {
    const metadata = { limit_header: 'X-L', remaining_header: 'X-R', reset_header: 'X-S' };
    const run = await mount({ count: 5, time_window: 1 }, { metadata }).request();
    expect(run.headers.toRaw()).toEqual(['X-L', '5', 'X-R', '4', 'X-S', '1']);
  });

  test('rejects with the message of the conf', async () => {
    const mounted = mount({ count: 1, time_window: 60, rejected_msg: 'slow down' });
    await mounted.request();
    expect((await mounted.request()).text).toBe('{"error_msg":"slow down"}\n');
  });

  test('counts each value of the key apart', async () => {
    const byHeader = mount({ count: 1, time_window: 60, key: 'http_x_user' });
    const a = { headers: { 'x-user': 'a' } };
    const b = { headers: { 'x-user': 'b' } };
    expect(await statuses(byHeader, [a, b, a])).toEqual([200, 200, 503]);
    const both = { key: '$http_x_user $remote_addr', key_type: 'var_combination' };
    const combined = mount({ count: 1, time_window: 60, ...both });
    const elsewhere = { ...a, clientAddress: '10.0.0.1' };
    expect(await statuses(combined, [a, elsewhere, a])).toEqual([200, 200, 503]);
  });

  test('counts by client address when the key has no value', async () => {
    const mounted = mount({ count: 1, time_window: 60, key: 'http_x_user' });
    const elsewhere = { clientAddress: '10.0.0.1' };
    expect(await statuses(mounted, [{}, elsewhere, {}])).toEqual([200, 200, 503]);
  });

  test('a constant key counts everybody together', async () => {
    const mounted = mount({ count: 1, time_window: 60, key: 'all', key_type: 'constant' });
    expect(await statuses(mounted, [{}, { clientAddress: '10.0.0.1' }])).toEqual([200, 503]);
  });

  test('routes count apart, and a changed conf counts anew', async () => {
    const one = mount({ count: 1, time_window: 60 });
    expect(await statuses(one, [{}, {}])).toEqual([200, 503]);
    const other = mount({ count: 1, time_window: 60 }, { source: source('2') });
    expect(await statuses(other, [{}])).toEqual([200]);
    const later = { source: { ...source('1'), modifiedIndex: 9 } };
    expect(await statuses(mount({ time_window: 60, count: 1 }, later), [{}])).toEqual([503]);
    expect(await statuses(mount({ count: 2, time_window: 60 }, later), [{}])).toEqual([200]);
  });

  test('a group counts together over its routes', async () => {
    const grouped = { count: 1, time_window: 60, group: 'counted together' };
    expect(await statuses(mount(grouped), [{}])).toEqual([200]);
    expect(await statuses(mount(grouped, { source: source('2') }), [{}])).toEqual([503]);
  });

  test('rules count side by side, each with headers of its own', async () => {
    const rules = [
      { count: 2, time_window: 10, key: '${http_user}', header_prefix: 'user' },
      { count: 3, time_window: 60, key: '${http_company}' },
    ];
    const mounted = mount({ rules, rejected_code: 429 });
    const both = { headers: { user: 'jack', company: 'jack' } };
    const run = await mounted.request(both);
    expect(run.headers.get('X-user-RateLimit-Remaining')).toBe('1');
    expect(run.headers.get('X-2-RateLimit-Remaining')).toBe('2');
    const company = { headers: { company: 'jack' } };
    expect(await statuses(mounted, [both, both, company, company])).toEqual([200, 429, 200, 429]);
  });

  test('a request that no rule applies to is an error, unless it may degrade', async () => {
    const rules = [{ count: 2, time_window: 10, key: '${http_user}' }];
    const run = await mount({ rules }).request();
    expect(run.status).toBe(500);
    expect(run.log).toEqual(['error: failed to get rate limit rules: no rule applies']);
    expect((await mount({ rules, allow_degradation: true }).request()).status).toBe(200);
  });

  test('takes count and window from variables', async () => {
    const mounted = mount({ count: '${http_count ?? 1}', time_window: '${http_window ?? 5}' });
    const run = await mounted.request({ headers: { count: '7', window: '30' } });
    expect(run.headers.get('X-RateLimit-Limit')).toBe('7');
    expect(run.headers.get('X-RateLimit-Reset')).toBe('30');
    expect((await mounted.request()).status).toBe(503);
  });

  test.each(['abc', '', '0', '-1', '1.5', '9007199254740993000', 'Infinity'])(
    'answers 500 when a variable makes the count %j',
    async (count) => {
      const mounted = mount({ count: '$http_count', time_window: 5 });
      expect((await mounted.request({ headers: { count } })).status).toBe(500);
    },
  );
});

describe('limit-count with a sliding window', () => {
  const BEGIN = 1_000_000_000; // of a window of ten seconds
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: BEGIN });
    shared = memorySharedState(Date.now);
    return () => void vi.useRealTimers();
  });
  const sliding = { count: 10, time_window: 10, window_type: 'sliding' };

  test('lets in what the window before leaves room for', async () => {
    const mounted = mount(sliding);
    expect(await statuses(mounted, Array(12).fill({}))).toEqual([
      ...Array<number>(10).fill(200),
      ...[503, 503],
    ]);
    // a refused request is not counted: half of the ten count still
    vi.setSystemTime(BEGIN + 15_000);
    const half = await mounted.request();
    expect(half.headers.get('X-RateLimit-Remaining')).toBe('4');
    expect(half.headers.get('X-RateLimit-Reset')).toBe('5');
    expect(await statuses(mounted, Array(5).fill({}))).toEqual([200, 200, 200, 200, 503]);
    vi.setSystemTime(BEGIN + 40_000);
    expect(await statuses(mounted, [{}])).toEqual([200]);
  });

  test('says how long it takes until there is room', async () => {
    const mounted = mount(sliding);
    await statuses(mounted, Array(10).fill({}));
    const full = await mounted.request();
    expect(full.headers.get('X-RateLimit-Reset')).toBe('10');
    vi.setSystemTime(BEGIN + 10_000);
    const early = await mounted.request();
    expect([early.status, early.headers.get('X-RateLimit-Remaining')]).toEqual([503, '0']);
    expect(early.headers.get('X-RateLimit-Reset')).toBe('0');
    vi.setSystemTime(BEGIN + 13_333);
    const thirds = await mounted.request();
    expect(thirds.headers.get('X-RateLimit-Reset')).toBe('6.67');
  });
});

test('limit-count leaves what it found out in a variable', async () => {
  const run = await mount({
    count: 2,
    time_window: 60,
    key: 'a"b',
    key_type: 'constant',
  }).request();
  const info = JSON.parse(run.ctx.vars.get('rate_limiting_info') ?? '') as object;
  expect(info).toEqual({
    rate_limiting_key: expect.stringMatching(/^\/apisix\/routes\/1:\d+:a"b$/) as string,
    ...{ rate_limiting_limit: 2, rate_limiting_remaining: 1, rate_limiting_reset: 60 },
  });
});

describe('limit-count refuses', () => {
  const valid = { count: 1, time_window: 1 };
  test.each([
    ['a conf without count', { time_window: 1 }, 'only one schema, but matches none'],
    [
      'a count of 0',
      { count: 0, time_window: 1 },
      'property "count" validation failed: value should match only one schema, but matches none',
    ],
    [
      'count and rules together',
      { ...valid, rules: [] },
      'count/time_window and rules cannot be specified at the same time',
    ],
    [
      'two rules with one key',
      { rules: [1, 2].map((count) => ({ count, time_window: 1, key: '${http_company}' })) },
      "duplicate key '${http_company}' in rules",
    ],
    [
      'rules in a group',
      { group: 'rules', rules: [] },
      'group and rules cannot be specified at the same time',
    ],
    ['redis without a host', { ...valid, policy: 'redis' }, 'then clause did not match'],
    [
      'a sync_interval as long as the window',
      { ...valid, policy: 'redis', redis_host: '127.0.0.1', sync_interval: 1 },
      'sync_interval should be smaller than time_window',
    ],
    [
      'an unknown kind of window',
      { ...valid, window_type: 'leaping' },
      'property "window_type" validation failed: matches none of the enum values',
    ],
    [
      'a rejected_msg that is no text',
      { ...valid, rejected_msg: true },
      'property "rejected_msg" validation failed: wrong type: expected string, got boolean',
    ],
  ])('%s', (_what, raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });

  test('a conf that differs from the others of its group', () => {
    conf({ ...valid, group: 'same' });
    conf({ ...valid, group: 'same' });
    expect(() => conf({ ...valid, count: 2, group: 'same' })).toThrow('group conf mismatched');
    conf({ ...valid, count: 2, group: 'other' });
  });
});
