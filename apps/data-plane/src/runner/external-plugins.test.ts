import { GatewayError, type ExternalConf } from '@polygate/plugin-sdk';
import type {
  Entry,
  ManagerFrame,
  RequestCall,
  RequestResult,
  RewriteAction,
  StopAction,
} from '@polygate/rpc';
import {
  MemoryContext,
  memoryLog,
  memoryMetrics,
  memorySharedState,
  type RequestInit,
} from '@polygate/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import { createExternalPlugins, type ExternalPluginsOptions } from './external-plugins.ts';
import { RunnerMetrics } from './policy/runner-metrics.ts';
import { scriptedLink } from './scripted-link.harness.ts';

const link = scriptedLink();

let calls: RequestCall[] = [];
let answers: (string | undefined)[] = [];
beforeEach(() => {
  calls = [];
  answers = [];
});

const conf: ExternalConf = {
  key: 'route#1#ext-plugin-pre-req#7',
  owner: 'route#1#ext-plugin-pre-req',
  plugins: [{ name: 'p', value: '{}' }],
  policy: {},
};
const reference = { key: conf.key, plugins: conf.plugins };

function prepared(options: Partial<ExternalPluginsOptions> = {}) {
  return createExternalPlugins({
    client: link.client,
    shared: memorySharedState(),
    metrics: new RunnerMetrics(memoryMetrics(), ''),
    runners: [],
    callTimeoutMs: 60_000,
    ...options,
  }).prepare(conf);
}
type Question = NonNullable<Extract<ManagerFrame['frame'], { $case: 'extraInfoQuestion' }>>;
const variable = (name: string): Question['value'] => ({
  info: { $case: 'variable', value: { name } },
});

/** Has the manager ask, then answer with the action. */
function script(action: RequestResult['action'], questions: readonly Question['value'][] = []) {
  link.manager.onMessage = (frames, reply) => {
    for (const { callId, frame } of frames) {
      if (callId === 0) continue;
      if (frame?.$case === 'requestCall') {
        calls.push(frame.value);
        reply(questions.map((value) => ({ callId, frame: { $case: 'extraInfoQuestion', value } })));
      }
      if (frame?.$case === 'extraInfoAnswer') answers.push(frame.value.result?.toString());
      if (answers.length < questions.length) continue;
      reply([{ callId, frame: { $case: 'requestResult', value: { action } } }]);
    }
  };
}

const goOn: RequestResult['action'] = { $case: 'continue', value: {} };
const stop = (value: Partial<StopAction>): RequestResult['action'] => ({
  $case: 'stop',
  value: { status: 0, headers: [], body: Buffer.alloc(0), ...value },
});
const rewrite = (value: Partial<RewriteAction>): RequestResult['action'] => ({
  $case: 'rewrite',
  value: { headers: [], args: [], responseHeaders: [], body: Buffer.alloc(0), ...value },
});

async function run(init: RequestInit = {}, prepare: (ctx: MemoryContext) => void = () => {}) {
  const ctx = new MemoryContext(init, memoryLog());
  prepare(ctx);
  const reply = await prepared().handleRequest(ctx);
  return { ctx, reply };
}

describe('what a runner is shown', () => {
  test('is the request as APISIX shows it', async () => {
    script(goOn);
    const { reply } = await run({
      method: 'PATCH',
      target: '/a%20b?x=1&x=%C3%A4+b&flag&empty=',
      headers: { Host: 'example.com', 'X-Multi': ['1', '2'], 'X-Latin': 'Ã¤' },
      clientAddress: '10.1.2.3',
    });
    expect(reply).toBeUndefined();
    expect(calls[0]).toEqual({
      conf: reference,
      method: 'PATCH',
      path: '/a b',
      args: [
        { name: 'x', value: '1' },
        { name: 'x', value: 'ä b' },
        { name: 'flag', value: undefined },
        { name: 'empty', value: '' },
      ],
      headers: [
        { name: 'host', value: 'example.com' },
        { name: 'x-multi', value: '1' },
        { name: 'x-multi', value: '2' },
        { name: 'x-latin', value: 'ä' },
      ],
      sourceIp: Buffer.from([10, 1, 2, 3]),
      timeoutMs: 60_000,
      traceparent: '',
      tracestate: '',
      runner: '',
      known: undefined,
      retries: 0,
    });
  });

  test('has the path and host that earlier plugins chose', async () => {
    script(goOn);
    const { ctx } = await run({ target: '/old?o=1', headers: { Host: 'a' } }, ({ request }) => {
      request.upstreamPath = '/new%20path?n=2';
      request.upstreamHost = 'upstream.example';
    });
    expect(calls[0]).toMatchObject({
      path: '/new%20path',
      args: [{ name: 'n', value: '2' }],
      headers: [{ name: 'host', value: 'upstream.example' }],
    });
    expect(ctx.request).toMatchObject({ upstreamPath: '/new%20path', query: 'n=2' });
  });

  test.each([
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['2001:db8::8:800:200c:417a', '20010db80000000000080800200c417a'],
    ['2001:db8:1:2:3:4:5:6', '20010db8000100020003000400050006'],
    ['fe80::', 'fe800000000000000000000000000000'],
    ['fe80::1%eth0', 'fe800000000000000000000000000001'],
    ['::ffff:1.2.3.4', '00000000000000000000ffff01020304'],
    ['255.0.0.1', 'ff000001'],
    ['', ''],
  ])('has the address %j as bytes', async (clientAddress, bytes) => {
    script(goOn);
    await run({ clientAddress });
    expect(calls[0]?.sourceIp.toString('hex')).toBe(bytes);
  });

  test('has the trace it belongs to', async () => {
    script(goOn);
    const trace = { traceparent: '00-1-2-01', tracestate: 'a=b' };
    const ctx = new MemoryContext({}, memoryLog());
    await prepared({ traceContext: () => trace }).handleRequest(ctx);
    expect(calls[0]).toMatchObject(trace);
  });

  test('is nothing when the protocol has no such method', async () => {
    script(goOn);
    await expect(run({ method: 'PURGE' })).rejects.toMatchObject({ code: 'RUNNER_FAILED' });
    expect(calls).toEqual([]);
  });
});

describe('a runner that stops the request', () => {
  test('has its status, headers and body in the reply', async () => {
    script(
      stop({
        status: 405,
        headers: [
          { name: 'X-Same', value: 'one' },
          { name: 'Allow', value: 'GET' },
          { name: 'x-same', value: 'two' },
          { name: '__proto__', value: 'safe' },
          { name: 'Content-Length', value: '99' },
          { name: 'X-None' },
        ],
        body: Buffer.from('no'),
      }),
    );
    const { reply } = await run();
    expect(reply?.status).toBe(405);
    expect(Object.entries(reply?.headers ?? {})).toEqual([
      ['x-same', ['one', 'two']],
      ['allow', 'GET'],
      ['__proto__', 'safe'],
    ]);
    expect(reply?.body).toEqual(Buffer.from('no'));
  });

  test('answers 200 without body unless it says otherwise', async () => {
    script(stop({}));
    expect((await run()).reply).toEqual({ status: 200, headers: {} });
  });

  test.each([101, 1000, 0xffff_ffff])('with status %i is at fault', async (status) => {
    script(stop({ status }));
    await expect(run()).rejects.toMatchObject({ code: 'RUNNER_FAILED' });
  });
});

describe('a runner that rewrites the request', () => {
  test.each([
    ['/plain/path~a', '/plain/path~a'],
    ['/a b', '/a%20b'],
    ['/a?b=1', '/a%3Fb=1'],
    ['/a%20b', '/a%2520b'],
    ['/ä#', '/%C3%A4%23'],
    ['/"<>\\^`{|}\r\n', '/%22%3C%3E%5C%5E%60%7B%7C%7D%0D%0A'],
    ["//example.com/@:;=&$,+!*'()[]", "//example.com/@:;=&$,+!*'()[]"],
  ])('to path %j sends %j and keeps the query', async (path, expected) => {
    script(rewrite({ path }));
    const { ctx } = await run({ target: '/old?a=1' });
    expect(ctx.request).toMatchObject({ upstreamPath: expected, query: 'a=1' });
  });

  test('sets, replaces and deletes headers; the last of a name counts', async () => {
    script(
      rewrite({
        headers: [
          { name: 'X-Multi', value: 'new' },
          { name: 'cookie' },
          { name: 'X-New', value: '1' },
          { name: 'x-new', value: '2' },
          { name: 'Host', value: 'other.example' },
          { name: 'X-Bad', value: 'a\r\nX-Injected: b\0' },
          { name: 'X-Uml', value: 'ä' },
          { name: 'Content-Length', value: '5' },
          { name: 'transfer-encoding', value: 'chunked' },
        ],
      }),
    );
    const { ctx } = await run({
      headers: { Host: 'a', 'X-Multi': ['1', '2'], Cookie: 'c', 'Content-Length': '0' },
    });
    expect(ctx.request.headers.toRaw()).toEqual([
      ...['Host', 'other.example', 'X-Multi', 'new', 'Content-Length', '0'],
      ...['x-new', '2', 'X-Bad', 'a%0D%0AX-Injected: b%00', 'X-Uml', 'Ã¤'],
    ]);
    expect(ctx.request.upstreamHost).toBe('other.example');
  });

  test.each<[string, Entry[], string]>([
    ['replace', [{ name: 'a', value: '9' }], 'a=9&b=3&flag'],
    ['append', ['8', '9'].map((value) => ({ name: 'a', value })), 'a=8&a=9&b=3&flag'],
    ['are new', [{ name: 'c', value: 'ä' }], 'a=1&b=3&a=2&flag&c=%C3%A4'],
    ['delete', [{ name: 'a' }, { name: 'flag' }, { name: 'none' }], 'b=3'],
    ['delete, then set', [{ name: 'b' }, { name: 'b', value: '' }], 'a=1&b=&a=2&flag'],
  ])('has arguments that %s', async (_, args, query) => {
    script(rewrite({ args }));
    expect((await run({ target: '/?a=1&b=3&a=2&flag' })).ctx.request.query).toBe(query);
  });

  test('puts headers on the response, but not those that describe its body', async () => {
    script(
      rewrite({
        responseHeaders: [
          { name: 'X-Same', value: 'one' },
          { name: 'Content-Type', value: 'text/evil' },
          { name: 'x-same', value: 'two' },
          { name: 'LOCATION', value: '/' },
          { name: 'X-Gone' },
        ],
      }),
    );
    const { ctx } = await run({}, ({ response }) => {
      response.early.append('X-Same', 'earlier');
      response.early.append('X-Gone', 'earlier');
      response.early.append('X-Other', 'earlier');
    });
    expect(ctx.response.early.toRaw()).toEqual([
      ...['X-Other', 'earlier', 'x-same', 'one', 'x-same', 'two'],
    ]);
  });

  test('replaces the body, unless its own is empty', async () => {
    script(rewrite({ body: Buffer.from('new') }));
    expect((await run({ body: 'old' })).ctx.request.body?.toString()).toBe('new');
    script(rewrite({ path: '/x' }));
    expect((await run({ body: 'old' })).ctx.request.body?.toString()).toBe('old');
  });

  test.each<[string, Partial<RewriteAction>]>([
    ['a path without slash', { path: 'http://evil/' }],
    ['a header name with a line break', { headers: [{ name: 'a\r\nb', value: '' }] }],
    ['an empty response header name', { responseHeaders: [{ name: '', value: '' }] }],
  ])('to %s is at fault, and the request stays as it was', async (_, action) => {
    script(rewrite({ args: [{ name: 'new', value: '1' }], ...action }));
    const ctx = new MemoryContext({ headers: { Host: 'a' } }, memoryLog());
    await expect(prepared().handleRequest(ctx)).rejects.toMatchObject({
      code: 'RUNNER_FAILED',
    });
    expect(ctx.request).toMatchObject({ upstreamPath: undefined, query: '' });
    expect(ctx.request.headers.toRaw()).toEqual(['Host', 'a']);
  });
});

describe('questions of a runner', () => {
  test('are answered with variables and the body, in order', async () => {
    const body: Question['value'] = { info: { $case: 'requestBody', value: {} } };
    const response: Question['value'] = { info: { $case: 'responseBody', value: {} } };
    script(goOn, [body, variable('host'), variable('none'), response, variable('http_x_latin')]);
    await run({ headers: { Host: 'example.com', 'X-Latin': 'Ã¤' }, body: 'the body' });
    expect(answers).toEqual(['the body', 'example.com', undefined, undefined, 'ä']);
  });

  test('for a body that cannot be read fail with the reason, not with an empty body', async () => {
    script(goOn, [{ info: { $case: 'requestBody', value: {} } }]);
    const failure = new GatewayError('REQUEST_BODY_TOO_LARGE', 'too large');
    const reading = run({ body: 'b' }, ({ request }) => {
      request.readBody = () => Promise.reject(failure);
    });
    await expect(reading).rejects.toBe(failure);
  });

  test('for a body that fits no frame fail by the fault of the client', async () => {
    script(goOn, [{ info: { $case: 'requestBody', value: {} } }]);
    await expect(run({ body: Buffer.alloc(0x100_0000) })).rejects.toMatchObject({
      code: 'REQUEST_BODY_TOO_LARGE',
    });
  });

  test('of a kind that is unknown fail', async () => {
    script(goOn, [{ info: undefined }]);
    await expect(run()).rejects.toMatchObject({ code: 'RUNNER_FAILED' });
  });
});

test('an action that is unknown does not let the request pass', async () => {
  script(undefined);
  await expect(run()).rejects.toMatchObject({ code: 'RUNNER_FAILED' });
});
