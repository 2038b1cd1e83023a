import type { MemoryContext } from '@polygate/testing';
import { mountPlugin, runPlugin, validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './example-plugin.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);

describe('example-plugin', () => {
  test('says in the log of each phase that it ran, and changes nothing', async () => {
    const run = await runPlugin(plugin, conf({ i: 1, s: 's' }), { upstream: { body: 'hello' } });
    expect(run.text).toBe('hello');
    const json = '{"i":1,"s":"s"}';
    expect(run.log).toEqual([
      `warn: plugin rewrite phase, conf: ${json}`,
      'warn: conf_type: route',
      'warn: conf_id: 1',
      'warn: conf_version: 1',
      `warn: plugin access phase, conf: ${json}`,
      `warn: plugin header_filter phase, conf: ${json}`,
      `warn: plugin body_filter phase, eof: false, conf: ${json}`,
      `warn: plugin delayed_body_filter phase, eof: false, conf: ${json}`,
      `warn: plugin body_filter phase, eof: true, conf: ${json}`,
      `warn: plugin delayed_body_filter phase, eof: true, conf: ${json}`,
      `warn: plugin log phase, conf: ${json}`,
    ]);
  });

  test('says while it is prepared which attribute it got', () => {
    const mounted = mountPlugin(plugin, conf({ i: 0 }), { attr: { val: 'x' } });
    expect(mounted.log).toEqual(['info: example-plugin get plugin attr val: "x"']);
  });

  test('sends requests to the address of the conf', async () => {
    const chosen = async (raw: object) => {
      const { ctx } = await runPlugin(plugin, conf(raw));
      return (ctx as MemoryContext).chosenUpstream;
    };
    expect(await chosen({ i: 0, ip: '127.0.0.1', port: 1981 })).toMatchObject({
      nodes: [{ host: '127.0.0.1', port: 1981, weight: 1 }],
    });
    expect(await chosen({ i: 0 })).toBeUndefined();
  });

  test('says hello in the Control API, as text or JSON', () => {
    const [endpoint] = plugin.controlApis?.({}) ?? [];
    const ask = (query: readonly { name: string; value: string | undefined }[]) =>
      endpoint?.handle({ method: 'GET', path: endpoint.path, query });
    expect(plugin.definition.hasControlApi).toBe(true);
    expect(endpoint?.path).toBe('/v1/plugin/example-plugin/hello');
    expect(ask([])).toEqual({ status: 200, body: 'world\n' });
    expect(ask([{ name: 'json', value: undefined }])).toEqual({
      status: 200,
      body: { msg: 'world' },
    });
  });

  test.each([
    [{}, 'property "i" is required'],
    [{ i: -1 }, 'property "i" validation failed: expected -1 to be at least 0'],
    [{ i: 1, t: [] }, 'property "t" validation failed: expect array to have at least 1 items'],
  ])('refuses %j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});
