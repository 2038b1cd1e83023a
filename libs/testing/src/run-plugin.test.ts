import { definePlugin, PHASES, type PluginDefinition } from '@polygate/plugin-sdk';
import { describe, expect, test } from 'vitest';
import { mountPlugin, runPlugin } from './run-plugin.ts';
import { FakeClock } from './run-plugin/fake-clock.ts';
import { memorySharedState } from './run-plugin/memory-shared-state.ts';

const definition: PluginDefinition<object> = {
  name: 'sample',
  version: 1,
  priority: 1,
  schema: { type: 'object' },
};

describe('runPlugin', () => {
  test('runs every phase in order, and the body filters for each chunk and the end', async () => {
    const seen: string[] = [];
    const plugin = definePlugin(definition, {
      rewrite: () => void seen.push('rewrite'),
      access: () => void seen.push('access'),
      beforeProxy: () => void seen.push('beforeProxy'),
      response: () => void seen.push('response'),
      headerFilter: () => void seen.push('headerFilter'),
      bodyFilter: (_ctx, _conf, chunk, last) => void seen.push(`body ${chunk.toString()} ${last}`),
      delayedBodyFilter: (_ctx, _conf, _chunk, last) => void seen.push(`delayed ${last}`),
      log: () => void seen.push('log'),
    });
    const run = await runPlugin(plugin, {}, { upstream: { body: ['a', 'b'] } });
    expect(run.text).toBe('ab');
    expect(seen).toEqual([
      ...['rewrite', 'access', 'beforeProxy', 'response', 'headerFilter'],
      ...['body ab false', 'delayed false'],
      ...['body  true', 'delayed true', 'log'],
    ]);
    expect(PHASES.every((phase) => plugin[phase] !== undefined)).toBe(true);
  });

  test('a reply ends the request phases, passes the filters and is logged', async () => {
    const plugin = definePlugin(definition, {
      rewrite: (ctx) => {
        ctx.response.early.set('X-Early', '1');
        return { status: 403, headers: { 'X-Reply': '2' }, body: { message: 'no' } };
      },
      access: () => {
        throw new Error('access must not run');
      },
      bodyFilter: (ctx, _conf, chunk) => Buffer.from(`${ctx.response.source}:${chunk.toString()}`),
      log: (ctx) => ctx.log.info(`${ctx.response.status} ${ctx.bytesSent}`),
    });
    const run = await runPlugin(plugin, {});
    expect(run.status).toBe(403);
    expect(run.upstreamRequest).toBeUndefined();
    expect(run.headers.toRaw()).toEqual(['X-Early', '1', 'X-Reply', '2']);
    expect(run.text).toBe('gateway:{"message":"no"}\ngateway:');
    expect(run.log).toEqual(['info: 403 33']);
  });

  test('a held body comes in one piece', async () => {
    const plugin = definePlugin(definition, {
      headerFilter: (ctx) => ctx.response.holdBody(),
      bodyFilter: (_ctx, _conf, chunk, last) => Buffer.from(`[${chunk.toString()} ${last}]`),
    });
    expect((await runPlugin(plugin, {}, { upstream: { body: ['a', 'b'] } })).text).toBe(
      '[ab true]',
    );
  });

  test('the upstream gets what the plugin made of the request', async () => {
    const plugin = definePlugin(definition, {
      access(ctx) {
        const { request } = ctx;
        request.method = 'PUT';
        request.upstreamPath = '/new';
        request.setArguments([...request.getArguments(), { name: 'c d', value: '&' }]);
        request.setBody(Buffer.from('new body'));
      },
    });
    const run = await runPlugin(plugin, {}, { target: '/old%20path?a=1&b', body: 'old' });
    expect(run.ctx.request.path).toBe('/old path');
    expect(run.upstreamRequest).toMatchObject({
      method: 'PUT',
      path: '/new',
      query: 'a=1&b&c%20d=%26',
      body: Buffer.from('new body'),
    });
  });

  test('a mounted plugin is prepared once and keeps its environment', async () => {
    let prepared = 0;
    const plugin = definePlugin<object, number>(definition, {
      prepare: () => ++prepared,
      rewrite: (_ctx, number) => ({ status: 200, body: String(number) }),
    });
    const mounted = mountPlugin(plugin, {});
    expect((await mounted.request()).text).toBe('1');
    expect((await mounted.request()).text).toBe('1');
  });
});

test('a window of the memory state ends by the clock it was given', () => {
  const clock = new FakeClock(5_000);
  const shared = memorySharedState(clock.now);
  expect(shared.incrementWindow('k', 0, 1_000)).toEqual({ count: 0, resetMs: 1_000 });
  expect(shared.incrementWindow('k', 2, 1_000)).toEqual({ count: 2, resetMs: 1_000 });
  clock.advance(999);
  expect(shared.incrementWindow('k', 1, 1_000)).toEqual({ count: 3, resetMs: 1 });
  clock.advance(1);
  expect(shared.incrementWindow('k', 1, 1_000)).toEqual({ count: 1, resetMs: 1_000 });
});
