import { definePlugin, type PluginEnvironment } from '@polygate/plugin-sdk';
import { memoryLog } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import { preparePlugin } from './prepare-plugin.ts';

const identity = { type: 'object' };
const plugin = (consumerSchema: object | null) =>
  definePlugin<Readonly<Record<string, unknown>>, string>(
    {
      ...{ name: 'sample', version: 1, priority: 1, type: 'auth', schema: { type: 'object' } },
      ...(consumerSchema !== null && { consumerSchema: { ...consumerSchema } }),
    },
    {
      prepare(conf) {
        if (typeof conf['server'] !== 'string') throw new TypeError('no server');
        return conf['server'];
      },
      dispose: () => undefined,
      rewrite: () => undefined,
    },
  );

function prepare(kind: string, conf: object, consumerSchema: object | null = identity) {
  const env = { source: { kind, id: '1', modifiedIndex: 1 }, log: memoryLog() };
  return preparePlugin(
    plugin(consumerSchema) as Parameters<typeof preparePlugin>[0],
    { ...conf },
    env as unknown as PluginEnvironment,
  );
}

describe('preparing an auth plugin', () => {
  test("prepares a route's conf", () => {
    const { prepared, handlers, dispose } = prepare('route', { server: 'a' });
    expect(prepared).toBe('a');
    expect(Object.keys(handlers)).toEqual(['rewrite']);
    expect(dispose).toBeDefined();
  });

  test('leaves alone what a consumer is found by: it is no conf of the plugin', () => {
    const { handlers, dispose } = prepare('consumer', { user: 'jack' });
    expect(handlers).toEqual({});
    expect(dispose).toBeUndefined();
  });

  test("prepares a consumer's conf where a plugin has one schema for all", () => {
    expect(prepare('consumer', { server: 'b' }, null).prepared).toBe('b');
  });
});
