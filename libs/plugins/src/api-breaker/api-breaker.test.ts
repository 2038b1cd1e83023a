import { FakeClock, memorySharedState, mountPlugin, validConf } from '@polygate/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import plugin from './api-breaker.ts';

const conf = (raw: object) => validConf(plugin.definition, { break_response_code: 502, ...raw });

let clock: FakeClock;
let shared: ReturnType<typeof memorySharedState>;
beforeEach(() => {
  clock = new FakeClock(1_000_000);
  shared = memorySharedState(clock.now);
});

/** Sends a request for each status of the upstream; gives what the client got. */
function breaker(raw: object = {}) {
  const mounted = mountPlugin(plugin, conf(raw), { shared });
  return async (statuses: readonly (number | null)[], target = '/hello') => {
    const got: number[] = [];
    for (const status of statuses) {
      const upstream = status === null ? null : { status };
      got.push((await mounted.request({ target, upstream })).status);
    }
    return got;
  };
}

const fails = (count: number): number[] => new Array<number>(count).fill(500);

describe('api-breaker', () => {
  test('opens for two seconds after so many failures', async () => {
    const send = breaker();
    expect(await send([500, 500, 500, 200])).toEqual([500, 500, 500, 502]);
    clock.advance(2000);
    expect(await send([200])).toEqual([502]);
    clock.advance(1);
    expect(await send([200])).toEqual([200]);
  });

  test('opens for twice the time after as many failures again, up to a limit', async () => {
    const send = breaker({ max_breaker_sec: 5 });
    await send(fails(3));
    clock.advance(2001);
    expect(await send(fails(3))).toEqual([500, 500, 500]);
    clock.advance(4000);
    expect(await send([200])).toEqual([502]);
    clock.advance(1);
    await send(fails(3));
    clock.advance(4999);
    expect(await send([200])).toEqual([502]);
    clock.advance(2);
    expect(await send([200])).toEqual([200]);
  });

  test('closes and forgets after so many successes', async () => {
    const send = breaker({ unhealthy: { failures: 2 }, healthy: { successes: 2 } });
    await send(fails(2));
    clock.advance(2001);
    await send([200, 200]);
    expect(await send([500, 200, 500, 200])).toEqual([500, 200, 500, 502]);
  });

  test('counts successes anew after a failure', async () => {
    const send = breaker({ unhealthy: { failures: 2 }, healthy: { successes: 2 } });
    await send([500, 200, 500]);
    clock.advance(2001);
    // one success before and one after do not make two
    await send([200, 500, 200]);
    expect(await send([500])).toEqual([500]);
    expect(await send([200])).toEqual([502]);
  });

  test('counts the statuses of the conf alone', async () => {
    const send = breaker({ unhealthy: { http_statuses: [503], failures: 1 } });
    expect(await send([500, 500, 404, 503, 200])).toEqual([500, 500, 404, 503, 502]);
  });

  test('counts an upstream that cannot be reached', async () => {
    const send = breaker({
      unhealthy: { http_statuses: [502], failures: 1 },
      break_response_code: 599,
    });
    expect(await send([null, 200])).toEqual([502, 599]);
  });

  test('has a breaker for each host and path', async () => {
    const send = breaker({ unhealthy: { failures: 1 } });
    expect(await send([500, 200], '/one')).toEqual([500, 502]);
    expect(await send([200], '/two')).toEqual([200]);
    expect(await send([200], '/one?a=1')).toEqual([502]);
  });

  test('counts none of its own answers', async () => {
    const send = breaker({ unhealthy: { http_statuses: [500, 502], failures: 1 } });
    await send([500]);
    await send([200, 200, 200]);
    clock.advance(2001);
    expect(await send([200])).toEqual([200]);
  });

  test('answers with body and headers of the conf', async () => {
    const raw = {
      unhealthy: { failures: 1 },
      break_response_body: '{"message":"breaker opened."}',
      break_response_headers: [
        { key: 'Content-Type', value: 'application/json' },
        { key: 'X-A', value: 'one' },
        { key: 'X-A', value: 'from $remote_addr' },
      ],
    };
    const mounted = mountPlugin(plugin, conf(raw), { shared });
    await mounted.request({ upstream: { status: 500 } });
    const run = await mounted.request();
    expect(run.text).toBe('{"message":"breaker opened."}');
    expect(run.reply?.headers).toEqual({
      'Content-Type': 'application/json',
      'X-A': ['one', 'from 127.0.0.1'],
    });
  });

  test.each([
    [{ break_response_code: 199 }, 'expected 199 to be at least 200'],
    [{ max_breaker_sec: 2 }, 'expected 2 to be at least 3'],
    [{ unhealthy: { http_statuses: [500, 500] } }, 'expected unique items'],
    [{ unhealthy: { http_statuses: [499] } }, 'expected 499 to be at least 500'],
    [{ healthy: { http_statuses: [500] } }, 'expected 500 to be at most 499'],
    [{ healthy: { successes: 0 } }, 'expected 0 to be at least 1'],
    [{ break_response_headers: [{ key: 'a' }] }, 'property "value" is required'],
  ])('refuses the conf %j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});
