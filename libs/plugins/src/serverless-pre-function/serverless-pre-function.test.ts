import { memorySettings, mountPlugin, validConf } from '@polygate/testing';
import type { MountedPlugin, PluginRequest, PluginRun } from '@polygate/testing';
import { afterEach, describe, expect, test } from 'vitest';
import plugin from './serverless-pre-function.ts';

const settings = memorySettings({ serverlessJavaScript: true });
const cleanups: (() => void)[] = [];
afterEach(() => cleanups.splice(0).forEach((clean) => clean()));

function mount(phase: string, ...functions: string[]): MountedPlugin {
  const conf = validConf(plugin.definition, { phase, functions }, new Map(), settings);
  const mounted = mountPlugin(plugin, conf, { settings });
  cleanups.push(() => mounted.dispose());
  return mounted;
}

/** As the chain runs it: the handlers of the phase that the conf names. */
function run(phase: string, functions: string[], request: PluginRequest = {}): Promise<PluginRun> {
  return mount(phase, ...functions).request(request);
}

describe('the conf of serverless functions', () => {
  const check = (text: string, on = true) =>
    validConf(
      plugin.definition,
      { functions: [text] },
      new Map(),
      memorySettings({ serverlessJavaScript: on }),
    );

  test('is refused where functions are switched off, and says how to switch them on', () => {
    expect(() => check('() => 1', false)).toThrow('polygate.serverless_javascript: true');
  });

  test.each([
    [
      'return function(conf, ctx) ngx.say("x") end',
      'does not run Lua: functions are written in JavaScript',
    ],
    ['local a = 1', 'does not run Lua'],
    ['(conf, ctx) => {', 'failed to load the function'],
    ['1 + 1', 'only accept JavaScript function'],
    ['() => 1); process.exit(); (', 'failed to load the function'],
  ])('%j is refused', (text, message) => {
    expect(() => check(text)).toThrow(message);
  });
});

describe('serverless functions in a request', () => {
  test('see it and change it', async () => {
    const { upstreamRequest, reply } = await run(
      'access',
      [
        `(conf, ctx) => {
          ctx.request.headers.set('X-Seen', [ctx.request.method, ctx.request.path, conf.phase,
            ctx.request.args.a, ctx.var.zone, ctx.request.headers.get('own')].join());
          ctx.request.headers.delete('own');
          ctx.request.path = '/new';
          ctx.request.args = { b: 'c d' };
        }`,
      ],
      { method: 'POST', target: '/old?a=1', headers: { Own: 'o' }, vars: { zone: 'z' } },
    );
    expect(reply).toBeUndefined();
    expect(upstreamRequest?.headers.get('x-seen')).toBe('POST,/old,access,1,z,o');
    expect(upstreamRequest?.headers.has('own')).toBe(false);
    expect(upstreamRequest?.path).toBe('/new');
    expect(upstreamRequest?.query).toMatch(/^b=c(%20|\+)d$/);
  });

  test.each([
    [
      '(conf, ctx) => ctx.exit(403, { why: "no" }, { "X-A": "b" })',
      { status: 403, body: { why: 'no' }, headers: { 'X-A': 'b' } },
    ],
    ['() => [401, "who"]', { status: 401, body: 'who', headers: {} }],
    ['async () => 204', { status: 204, headers: {} }],
    ['() => ({ status: 418 })', { status: 418, headers: {} }],
    ['() => "text"', { status: 200, body: 'text' }],
  ])('%s answers', async (text, expected) => {
    expect((await run('rewrite', [text])).reply).toEqual(expected);
  });

  test('run one after another, until one answers', async () => {
    const note = `(c, ctx) => ctx.log.warn('ran', { a: 1 })`;
    const { reply, log } = await run('before_proxy', [note, '() => 503', note]);
    expect(reply?.status).toBe(503);
    expect(log).toEqual(['warn: ran {"a":1}']);
  });

  test('see and change the body', async () => {
    const { upstreamRequest } = await run(
      'rewrite',
      ['(conf, ctx) => { ctx.request.body = ctx.request.body.toUpperCase() + "é"; }'],
      { method: 'POST', body: 'text' },
    );
    expect(upstreamRequest?.body?.toString()).toBe('TEXTé');
  });

  test('keep what they keep between requests, each conf for itself', async () => {
    const count = '(() => { let n = 0; return () => [200, ++n]; })()';
    const counting = mount('access', count);
    await counting.request();
    expect((await counting.request()).reply?.body).toBe('2');
    expect((await run('access', [count])).reply?.body).toBe('1');
  });
});

describe('serverless functions in an answer', () => {
  test('change status and headers', async () => {
    const { status, headers } = await run('header_filter', [
      `(conf, ctx) => {
        ctx.response.headers.set("X-Status", ctx.response.status);
        ctx.response.status = 201;
      }`,
    ]);
    expect([status, headers.get('X-Status')]).toEqual([201, '200']);
  });

  test('change the body, which they see as a whole', async () => {
    const { text } = await run(
      'body_filter',
      ['(conf, ctx) => { ctx.response.body = "<" + ctx.response.body + ">"; }'],
      { upstream: { body: ['a', 'b'] } },
    );
    expect(text).toBe('<ab>');
  });
});

describe('the sandbox', () => {
  const failing = (text: string) => expect(run('access', [text])).rejects;

  test('has nothing of Node, nor a way out', async () => {
    const { reply } = await run('access', [
      `(conf, ctx) => [200, [typeof process, typeof require, typeof fetch, typeof setTimeout,
        typeof globalThis.Deno, typeof ctx.constructor.constructor('return globalThis')().process].join()]`,
    ]);
    expect(new Set((reply?.body as string).split(','))).toEqual(new Set(['undefined']));
    await failing('() => { import("node:fs"); return new Promise(() => {}); }').toThrow(
      'never comes',
    );
  });

  test('ends what takes too long, and goes on', async () => {
    const text = '(c, ctx) => { if (ctx.request.args.bad) while (true); return 200; }';
    const mounted = mount('access', text);
    await expect(mounted.request({ target: '/?bad=1' })).rejects.toThrow('interrupted');
    expect((await mounted.request()).reply?.status).toBe(200);
  });

  test('ends what takes too much memory, and goes on', async () => {
    const text = '(c, ctx) => { if (ctx.request.args.bad) new Uint8Array(5e7); return 200; }';
    const mounted = mount('access', text);
    await expect(mounted.request({ target: '/?bad=1' })).rejects.toThrow('out of memory');
    expect((await mounted.request()).reply?.status).toBe(200);
  });

  test.each([
    ['() => { throw new Error("own") }', 'own'],
    ['() => { const f = () => f() + 1; f(); }', 'stack'],
    ['(c, ctx) => ctx.request.headers.set("a", "b\\r\\nc: d")', 'invalid header value'],
    ['(c, ctx) => ctx.request.headers.set("a b", "c")', 'invalid header name'],
    ['(c, ctx) => { ctx.request.path = "/a b" }', 'invalid path'],
    ['(c, ctx) => { ctx.response.status = 9 }', 'invalid status'],
    ['() => 99', 'invalid status'],
  ])('%s ends the request', async (text, message) => {
    await failing(text).toThrow(message);
  });
});
