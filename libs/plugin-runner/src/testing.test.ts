import { describe, expect, expectTypeOf, test } from 'vitest';
import { defineExternalPlugin } from './external-plugin.ts';
import { testRequest, testResponse } from './testing.ts';

const guard = defineExternalPlugin({
  name: 'guard',
  schema: {
    type: 'object',
    properties: {
      header: { type: 'string', minLength: 1 },
      status: { type: 'integer', minimum: 400, maximum: 499, default: 403 },
      mode: { enum: ['deny', 'mark'] },
      tags: { type: 'array', items: { type: 'string' } },
    },
    required: ['header'],
  },
  prepare(conf) {
    expectTypeOf(conf.header).toEqualTypeOf<string>();
    expectTypeOf(conf.status).toEqualTypeOf<number>();
    expectTypeOf(conf.mode).toEqualTypeOf<'deny' | 'mark' | undefined>();
    expectTypeOf(conf.tags).toEqualTypeOf<readonly string[] | undefined>();
    return { ...conf, seen: 0 };
  },
  async request(ctx, conf) {
    expectTypeOf(conf.seen).toEqualTypeOf<number>();
    if (!ctx.headers.has(conf.header)) return { status: conf.status, body: 'no' };
    ctx.headers.set('X-Route', (await ctx.variable('route_id')) ?? 'none');
    ctx.headers.delete(conf.header);
    ctx.path = `/checked${ctx.path}`;
    ctx.args.append('from', ctx.remoteAddress);
    ctx.setBody(`${(await ctx.body()).toString()}!`);
    ctx.setResponseHeader('X-Guard', 'seen');
    return undefined;
  },
  async response(ctx) {
    ctx.status = 202;
    ctx.headers.append('X-A', '2');
    ctx.setBody((await ctx.body()).toString().toUpperCase());
  },
});

describe('a plugin without a gateway', () => {
  test('answers itself', async () => {
    const { reply, upstream } = await testRequest(guard, { conf: { header: 'x-key' } });
    expect(reply).toEqual({ status: 403, headers: {}, body: 'no' });
    expect(upstream).toBeUndefined();
  });

  test('changes what the upstream gets', async () => {
    const outcome = await testRequest(guard, {
      conf: { header: 'X-Key' },
      method: 'POST',
      path: '/a',
      args: { q: ['1', '2'], from: 'me' },
      headers: { 'x-key': 'k', accept: 'x' },
      remoteAddress: '2001:db8::1',
      body: 'hello',
      variables: { route_id: '7' },
    });
    expect(outcome).toEqual({
      reply: undefined,
      upstream: {
        method: 'POST',
        path: '/checked/a',
        args: { q: ['1', '2'], from: ['me', '2001:db8::1'] },
        headers: { accept: ['x'], 'x-route': ['7'] },
        body: 'hello!',
      },
      responseHeaders: { 'x-guard': ['seen'] },
    });
  });

  test('changes what the client gets', async () => {
    const conf = { header: 'x-key' };
    const headers = { 'X-A': '1', 'content-type': 'text/plain' };
    expect(await testResponse(guard, { conf, headers, body: 'abc' })).toEqual({
      status: 202,
      headers: { 'x-a': ['1', '2'], 'content-type': ['text/plain'] },
      body: 'ABC',
    });
  });

  test.each([
    [{}, 'the conf of plugin guard is bad: property "header" is required'],
    [{ header: '' }, 'property "header" validation failed: string too short'],
    [{ header: 'a', status: 500 }, 'property "status" validation failed'],
    ['{', 'the conf of plugin guard is no JSON'],
    ['[1]', 'wrong type: expected object, got table'],
  ])('refuses the conf %j in words', async (conf, message) => {
    await expect(testRequest(guard, { conf })).rejects.toThrow(message);
  });

  test('shows what it throws', async () => {
    const broken = defineExternalPlugin({
      name: 'broken',
      request(_, conf) {
        expectTypeOf(conf).toEqualTypeOf<string>();
        throw new Error(`broken by ${conf}`);
      },
    });
    await expect(testRequest(broken, { conf: 'a text' })).rejects.toMatchObject({
      message: 'plugin broken failed',
      cause: { message: 'broken by a text' },
    });
  });
});
