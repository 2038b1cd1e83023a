import type { PublicApi } from '@polygate/plugin-sdk';
import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './public-api.ts';

const publicApis: readonly PublicApi[] = [
  {
    methods: ['GET'],
    path: '/apisix/plugin/sample',
    handle: (ctx) => ({ status: 200, body: { host: ctx.request.host } }),
  },
  {
    methods: ['POST'],
    path: '/apisix/plugin/sample',
    handle: () => Promise.resolve({ status: 201 }),
  },
  {
    methods: ['PURGE'],
    path: '/apisix/plugin/sample/*',
    handle: (ctx) => ({ status: 200, body: ctx.request.path }),
  },
];
const run = (raw: object, request: PluginRequest = {}) =>
  runPlugin(plugin, validConf(plugin.definition, raw), request, { publicApis });

describe('public-api', () => {
  test('answers with the API at the path of the request', async () => {
    const { status, text } = await run({}, { target: '/apisix/plugin/sample?a=1' });
    expect(status).toBe(200);
    expect(text).toBe('{"host":""}\n');
  });

  test('answers with the API that the conf names, by method', async () => {
    const uri = '/apisix/plugin/sample';
    expect((await run({ uri }, { target: '/public', method: 'POST' })).status).toBe(201);
    expect((await run({ uri }, { target: '/public', method: 'PUT' })).status).toBe(404);
  });

  test('answers with an API below whose path the request is', async () => {
    const target = '/apisix/plugin/sample/memory/1';
    expect((await run({}, { target, method: 'PURGE' })).text).toBe(target);
    expect((await run({}, { target, method: 'GET' })).status).toBe(404);
    const above = { target: '/apisix/plugin/sample', method: 'PURGE' };
    expect((await run({}, above)).status).toBe(404);
  });

  test('answers 404 where no plugin has an API, and never asks the upstream', async () => {
    const { status, upstreamRequest } = await run({ uri: '/wrong' }, { target: '/public' });
    expect(status).toBe(404);
    expect(upstreamRequest).toBeUndefined();
  });

  test('refuses a path that is no text', () => {
    expect(() => validConf(plugin.definition, { uri: 3233 })).toThrow(
      'property "uri" validation failed: wrong type: expected string, got number',
    );
  });
});
