import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { generatePluginRegistry, pluginNames } from './plugin-registry.ts';

const PLUGINS = join(import.meta.dirname, '../../libs/plugins/src');
const GENERATED = ['definitions.generated.ts', 'registry.generated.ts'];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'plugin-registry-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function addPlugin(name: string): void {
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, `${name}.schema.ts`), 'export const definition = {};');
}

test('the registry names plugins in order, whatever order they came in', async () => {
  for (const name of ['zebra', 'ant-eater', 'ox']) addPlugin(name);
  await generatePluginRegistry(folder);
  const [definitions, registry] = GENERATED.map((file) => readFileSync(join(folder, file), 'utf8'));
  expect(definitions).toContain(
    '= [\n  antEaterDefinition,\n  oxDefinition,\n  zebraDefinition,\n];',
  );
  expect(definitions).toContain("import { definition as oxDefinition } from './ox/ox.schema.ts';");
  expect(registry).toContain("  'ant-eater': () => import('./ant-eater/ant-eater.ts'),\n");
});

test('a folder without a schema, and a name that is no plugin name, are no plugins', () => {
  addPlugin('good');
  addPlugin('Bad_name');
  mkdirSync(join(folder, 'fixtures'));
  mkdirSync(join(folder, 'shared-parts'));
  writeFileSync(join(folder, 'shared-parts/shared-parts.schema.ts'), 'export const PARTS = {};');
  expect(pluginNames(folder)).toEqual(['good']);
});

test('the registry that is committed is the one that generating gives', async () => {
  cpSync(PLUGINS, folder, { recursive: true });
  await generatePluginRegistry(folder);
  for (const file of GENERATED) {
    expect(readFileSync(join(PLUGINS, file), 'utf8')).toBe(
      readFileSync(join(folder, file), 'utf8'),
    );
  }
});
