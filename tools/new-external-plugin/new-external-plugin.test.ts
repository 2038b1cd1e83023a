import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { format } from 'prettier';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  externalPluginProject,
  nextSteps,
  parseNewExternalPlugin,
  UsageError,
  writeExternalPlugin,
  type Language,
  type NewExternalPlugin,
} from './new-external-plugin.ts';

const run = promisify(execFile);
const LANGUAGES: readonly Language[] = ['typescript', 'go', 'python', 'java'];

let home: string;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'new-external-plugin-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function plugin(language: Language, name = 'my-plugin'): NewExternalPlugin {
  return { language, name, folder: path.join(home, 'project'), hasCheckPlugin: true };
}

/** In CI a missing toolchain is a failure; elsewhere a line says what was not tested. */
function has(program: string, ...args: string[]): boolean {
  if (spawnSync(program, args).status === 0) return true;
  if (process.env['CI'] === 'true') throw new Error(`${program} must be on PATH in CI`);
  process.stderr.write(`SKIPPED: ${program} is not on PATH\n`);
  return false;
}

describe('new-external-plugin', () => {
  test('makes a TypeScript project that installs, type-checks and passes its tests', async () => {
    const project = await writeExternalPlugin(plugin('typescript'));
    const cwd = path.join(home, 'project');
    expect(project.build).toEqual(['npm install', 'npm run check']);
    await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline'], { cwd });
    const { stdout } = await run('npm', ['run', 'check'], { cwd });
    expect(stdout).toMatch(/pass 3/);
    // Nothing of this repository is needed by whoever has the package.
    const installed = path.join(cwd, 'node_modules/@polygate');
    expect(readdirSync(installed)).toEqual(['plugin-runner']);
    const bin = path.join(cwd, 'node_modules/.bin/polygate-plugin-runner');
    expect((await run('node', [bin, '--help'])).stdout).toContain('usage: polygate-plugin-runner');
  }, 240_000);

  test.runIf(has('go', 'version'))(
    'makes a Go module that vets and builds',
    async () => {
      const project = await writeExternalPlugin(plugin('go', 'load-test'));
      const cwd = path.join(home, 'project');
      for (const line of project.build) await run('sh', ['-c', line], { cwd });
      expect(existsSync(path.join(cwd, 'runner'))).toBe(true);
      expect((await run('gofmt', ['-l', '.'], { cwd })).stdout).toBe('');
    },
    600_000,
  );

  test.runIf(has('python3', '--version'))('makes Python that compiles', async () => {
    await writeExternalPlugin(plugin('python', 'json'));
    const cwd = path.join(home, 'project');
    await run('python3', ['-m', 'compileall', '-q', '.'], { cwd });
    expect(existsSync(path.join(cwd, 'plugins/json.py'))).toBe(true);
  });

  // Maven takes half a minute and most of a machine.
  test.runIf(process.env['CI'] === 'true' || process.env['POLYGATE_TEST_MAVEN'] === '1')(
    'makes a Java project that Maven packs',
    async () => {
      const project = await writeExternalPlugin(plugin('java'));
      const cwd = path.join(home, 'project');
      for (const line of project.build) await run('sh', ['-c', line], { cwd });
      expect(existsSync(path.join(cwd, 'target/my-plugin.jar'))).toBe(true);
    },
    600_000,
  );

  test('writes TypeScript as prettier leaves it', async () => {
    const { files } = externalPluginProject(plugin('typescript'));
    for (const [file, source] of Object.entries(files)) {
      if (!file.endsWith('.ts')) continue;
      const options = { parser: 'typescript', printWidth: 100, singleQuote: true };
      expect(await format(source, options)).toBe(source);
    }
  }, 60_000);

  test.each(LANGUAGES)(
    'adds the check plugin to %s only when asked',
    async (language) => {
      const { files } = await writeExternalPlugin({ ...plugin(language), hasCheckPlugin: false });
      expect(JSON.stringify(files)).not.toMatch(/polygate-?check/i);
    },
    60_000,
  );

  test.each(LANGUAGES)(
    'says how %s is built, run and used',
    async (language) => {
      const made = plugin(language);
      const said = nextSteps(made, await writeExternalPlugin(made));
      expect(said).toContain('plugins: [my-plugin]');
      expect(said).toMatch(/cmd: \[".*\/project\/.*"\]/);
      expect(said).not.toContain('{dir}');
    },
    60_000,
  );

  test.each(LANGUAGES)(
    'writes nothing into a folder that holds something: %s',
    async (language) => {
      const made = plugin(language);
      mkdirSync(made.folder);
      writeFileSync(path.join(made.folder, 'mine'), 'precious');
      await expect(writeExternalPlugin(made)).rejects.toThrow('is not empty');
      expect(readdirSync(made.folder)).toEqual(['mine']);
      expect(readFileSync(path.join(made.folder, 'mine'), 'utf8')).toBe('precious');
    },
  );

  test('reads language, name and folder from the command line', () => {
    expect(parseNewExternalPlugin(['go', 'my-plugin'])).toEqual({
      language: 'go',
      name: 'my-plugin',
      folder: 'my-plugin',
      hasCheckPlugin: false,
    });
    expect(parseNewExternalPlugin(['java', 'a', 'there', '--check'])).toMatchObject({
      folder: 'there',
      hasCheckPlugin: true,
    });
  });

  test.each([
    [[]],
    [['go']],
    [['rust', 'mine']],
    [['constructor', 'mine']],
    [['go', 'one', 'two', 'three']],
    [['go', '../mine']],
    [['go', 'Mine']],
    [['go', 'my"plugin']],
    [['go', '1st']],
    [['go', 'polygate-check']],
    [['go', 'a'.repeat(65)]],
    [['go', 'mine', '--colour']],
  ])('refuses %j', (args) => {
    expect(() => parseNewExternalPlugin(args)).toThrow(UsageError);
  });
});
