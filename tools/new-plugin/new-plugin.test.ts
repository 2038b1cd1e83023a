import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { format } from 'prettier';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseNewPlugin, UsageError, writeNewPlugin } from './new-plugin.ts';
import { NEW_PLUGIN_PHASES, pluginFiles } from './plugin-files.ts';

const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'new-plugin-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('new-plugin', () => {
  test('writes plugins for every phase that type-check and pass their own tests', async () => {
    for (const phase of NEW_PLUGIN_PHASES) {
      const name = `sample-${phase.toLowerCase()}`;
      await writeNewPlugin({ name, priority: 7, phase, folder, isOutside: true });
    }
    const bin = join(ROOT, 'node_modules/.bin');
    await run(join(bin, 'tsc'), ['-p', folder]);
    const { stdout } = await run(join(bin, 'vitest'), ['run', '--root', folder, '--no-color'], {
      env: { ...process.env, NO_COLOR: '1' },
    });
    expect(stdout).toContain(`${NEW_PLUGIN_PHASES.length} passed`);
  }, 120_000);

  test.each(NEW_PLUGIN_PHASES)('writes files for %s as prettier leaves them', async (phase) => {
    const files = pluginFiles({ name: 'sample', priority: 7, phase });
    for (const source of Object.values(files)) {
      const options = { parser: 'typescript', printWidth: 100, singleQuote: true };
      expect(await format(source, options)).toBe(source);
    }
  });

  test('puts the new plugin into the registry', async () => {
    cpSync(join(ROOT, 'libs/plugins/src/echo'), join(folder, 'echo'), { recursive: true });
    await writeNewPlugin({ name: 'my-plugin', priority: 7, phase: 'access', folder });
    const registry = readFileSync(join(folder, 'registry.generated.ts'), 'utf8');
    expect(registry).toContain("'./my-plugin/my-plugin.ts'");
    expect(registry).toContain("'./echo/echo.ts'");
  });

  test("makes a plugin of a folder of the user's, whether it is there or not", async () => {
    const plugins = join(folder, 'new/plugins');
    const made = { name: 'mine', priority: 7, phase: 'access', folder: plugins } as const;
    const paths = await writeNewPlugin({ ...made, isOutside: true });
    expect(paths.map((file) => file.slice(plugins.length + 1))).toEqual([
      ...['mine/mine.schema.ts', 'mine/mine.ts', 'mine/mine.test.ts'],
      ...['node_modules', 'package.json', 'tsconfig.json'],
    ]);
    expect(existsSync(join(plugins, 'registry.generated.ts'))).toBe(false);
    expect(await writeNewPlugin({ ...made, name: 'next', isOutside: true })).toHaveLength(3);
    const taken = writeNewPlugin({ ...made, name: 'key-auth', isOutside: true });
    await expect(taken).rejects.toThrow('Polygate has a plugin key-auth of its own');
  });

  test('does not overwrite a plugin', async () => {
    const plugin = { name: 'mine', priority: 7, phase: 'access', folder } as const;
    await writeNewPlugin(plugin);
    const file = join(folder, 'mine/mine.ts');
    writeFileSync(file, 'precious');
    await expect(writeNewPlugin(plugin)).rejects.toThrow('there is a plugin mine already');
    expect(readFileSync(file, 'utf8')).toBe('precious');
  });

  test('reads name, priority and phase from the command line', () => {
    const { name, priority, phase } = parseNewPlugin(['my-plugin']);
    expect({ name, priority, phase }).toEqual({ name: 'my-plugin', priority: 50, phase: 'access' });
    const args = ['my-plugin', folder, '--priority', '2100', '--phase', 'log'];
    expect(parseNewPlugin(args)).toEqual({
      name: 'my-plugin',
      priority: 2100,
      phase: 'log',
      folder,
      isOutside: true,
    });
  });

  test.each([
    [[]],
    [['one', 'two', 'three']],
    [['../../etc/passwd']],
    [['My-Plugin']],
    [['my--plugin']],
    [['a'.repeat(65)]],
    [['mine', '--priority', 'high']],
    [['mine', '--phase', 'preread']],
    [['mine', '--colour', 'red']],
  ])('refuses %j', (args) => {
    expect(() => parseNewPlugin(args)).toThrow(UsageError);
    expect(existsSync(join(folder, 'mine'))).toBe(false);
  });
});
