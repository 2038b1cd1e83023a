import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './fault-injection.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);
const run = (raw: object, request: PluginRequest = {}) => runPlugin(plugin, conf(raw), request);

describe('fault-injection aborts', () => {
  test('with status, headers and body, in which variables are filled in', async () => {
    const abort = {
      http_status: 405,
      body: 'client addr: $remote_addr\n',
      headers: { 'X-Uri': '$uri', 'X-Number': 5, 'X-Raw': 'a$arg_x' },
    };
    const { status, text, headers, upstreamRequest } = await run(
      { abort },
      { target: '/hello?x=%0d%0aX-Evil: 1' },
    );
    expect(status).toBe(405);
    expect(text).toBe('client addr: 127.0.0.1\n');
    expect(headers.toRaw()).toEqual([
      ...['X-Uri', '/hello', 'X-Number', '5', 'X-Raw', 'a%0D%0AX-Evil: 1'],
    ]);
    expect(upstreamRequest).toBeUndefined();
  });

  test('without a body of its own, so that the gateway makes one', async () => {
    expect((await run({ abort: { http_status: 500 } })).reply).toEqual({
      status: 500,
      headers: {},
    });
    expect((await run({ abort: { http_status: 500, body: '' } })).reply?.body).toBe('');
  });

  test('none of 100, and all of 100', async () => {
    const results = Array.from({ length: 50 }, async () => {
      const none = await run({ abort: { http_status: 500, percentage: 0 } });
      const all = await run({ abort: { http_status: 500, percentage: 100 } });
      return [none.status, all.status];
    });
    for (const statuses of await Promise.all(results)) expect(statuses).toEqual([200, 500]);
  });

  test('where one of its expressions holds', async () => {
    const vars = [
      [
        ['arg_name', '==', 'jack'],
        ['arg_age', '!', '<', 18],
      ],
      [['http_apikey', '==', 'key']],
    ];
    const status = async (request: PluginRequest) =>
      (await run({ abort: { http_status: 403, vars } }, request)).status;
    expect(await status({ target: '/?name=jack&age=20' })).toBe(403);
    expect(await status({ target: '/', headers: { apikey: 'key' } })).toBe(403);
    expect(await status({ target: '/?name=jack&age=17' })).toBe(200);
  });

  test('nothing where there is no expression to hold', async () => {
    expect((await run({ abort: { http_status: 403, vars: [] } })).status).toBe(200);
  });
});

describe('fault-injection delays', () => {
  test('and lets the request pass, or aborts after that', async () => {
    const startedMs = performance.now();
    expect((await run({ delay: { duration: 0.02 } })).status).toBe(200);
    const both = { delay: { duration: 0.02 }, abort: { http_status: 403 } };
    expect((await run(both)).status).toBe(403);
    expect(performance.now() - startedMs).toBeGreaterThan(36);
  });

  test('not what its expressions do not hold for', async () => {
    const delay = { duration: 1e9, vars: [[['arg_name', '==', 'jack']]] };
    expect((await run({ delay })).status).toBe(200);
    expect((await run({ delay: { duration: 1e9, percentage: 0 } })).status).toBe(200);
  });
});

describe('fault-injection refuses', () => {
  test.each([
    [{}, 'expect object to have at least 1 properties'],
    [{ abort: {} }, 'property "http_status" is required'],
    [{ abort: { http_status: 100 } }, 'expected 100 to be at least 200'],
    [{ abort: { http_status: 200, percentage: 101 } }, 'expected 101 to be at most 100'],
    [{ abort: { http_status: 200, headers: { a: [] } } }, 'value should match only one schema'],
    [{ delay: { duration: -1 } }, 'expected -1 to be at least 0'],
    [{ delay: { duration: 'x' } }, 'wrong type: expected number, got string'],
    [{ delay: { duration: 1, vars: [[['a', '>=<', 1]]] } }, "invalid operator '>=<'"],
    [{ abort: { http_status: 200, vars: [['a', 'b', 'c']] } }, 'rule should be wrapped'],
  ])('%j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});
