import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { compileSchema } from '@polygate/model';
import { PHASES } from '@polygate/plugin-sdk';
import { describe, expect, test } from 'vitest';
import { PLUGIN_DEFINITIONS } from './definitions.ts';
import { loadPlugins } from './load-plugins.ts';

/** Of APISIX 3.18. */
const APISIX_PRIORITIES: Readonly<Record<string, number>> = {
  'request-id': 12015,
  'ext-plugin-pre-req': 12000,
  'ip-restriction': 3000,
  'key-auth': 2500,
  'proxy-rewrite': 1008,
  'limit-count': 1002,
  'response-rewrite': 899,
  prometheus: 500,
  echo: 412,
  'file-logger': 399,
  'ext-plugin-post-req': -3000,
};

/** Of what several plugins are made with. */
const ROOMS: ReadonlySet<string> = new Set([
  'kafka',
  'ldap',
  'log-entries',
  'log-sinks',
  'redis',
  'tracing',
  'user-plugins',
]);

const folders = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .filter((name) => !ROOMS.has(name));

describe.each(folders)('the plugin %s', (name) => {
  test('has its three files', () => {
    const files = readdirSync(join(import.meta.dirname, name));
    const required = [`${name}.schema.ts`, `${name}.ts`, `${name}.test.ts`];
    expect(files).toEqual(expect.arrayContaining(required));
  });

  test('is called like its folder, in the definition and in the code', async () => {
    const definition = PLUGIN_DEFINITIONS.get(name);
    expect(definition?.name).toBe(name);
    const plugin = (await loadPlugins([name])).get(name);
    expect(plugin?.definition).toBe(definition);
    const hasPhase = PHASES.some((phase) => plugin?.[phase] !== undefined);
    expect(hasPhase || plugin?.publicApis !== undefined).toBe(true);
  });

  test('has schemas that can be compiled and are plain data', () => {
    const { schema, consumerSchema = {}, metadataSchema = {} } = PLUGIN_DEFINITIONS.get(name)!;
    for (const one of [schema, consumerSchema, metadataSchema]) {
      expect(() => compileSchema(one)).not.toThrow();
      expect(JSON.parse(JSON.stringify(one))).toEqual(one);
    }
  });

  test('does not define _meta, which belongs to the gateway', () => {
    expect(PLUGIN_DEFINITIONS.get(name)?.schema['properties'] ?? {}).not.toHaveProperty('_meta');
  });
});

test('the plugins of APISIX run in its order', () => {
  const ours = Object.fromEntries(
    [...PLUGIN_DEFINITIONS.values()]
      .filter(({ name }) => name in APISIX_PRIORITIES)
      .map(({ name, priority }) => [name, priority]),
  );
  expect(ours).toEqual(APISIX_PRIORITIES);
  const priorities = [...PLUGIN_DEFINITIONS.values()].map(({ priority }) => priority);
  expect(priorities).toEqual([...priorities].sort((a, b) => b - a));
});

test('loading a plugin that does not exist names it and loads nothing', async () => {
  await expect(loadPlugins(['echo', 'constructor'])).rejects.toThrow(
    'unknown plugin [constructor]',
  );
});

test('loaded plugins come in the order they run in, each once', async () => {
  const plugins = await loadPlugins(['echo', 'key-auth', 'echo', 'request-id']);
  expect([...plugins.keys()]).toEqual(['request-id', 'key-auth', 'echo']);
});
