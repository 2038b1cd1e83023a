import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = path.join(import.meta.dirname, '../..');
const VERSION = '0.1.0';
/** As npm names what it packs. */
export const SDK_FILE = `polygate-plugin-runner-${VERSION}.tgz`;
const BUILD_MS_MAX = 120_000;

/** Where imports of other libs lead to. The compiler takes them for packages, so they are named. */
const BUNDLED: Readonly<Record<string, string>> = {
  '@polygate/runner-protocol': 'runner-protocol/src/index',
  '@polygate/model/json-schema': 'model/src/schema/compile-schema',
};
const ENTRIES = [
  ...['index', 'testing', 'main', 'sample/add-header'].map((file) => `plugin-runner/src/${file}`),
  ...Object.values(BUNDLED),
];

/**
 * Makes `@polygate/plugin-runner` a package that needs nothing of this repository: compiled, for Node
 * runs no TypeScript out of node_modules, with what it imports inside and no dependencies. Writes
 * the tarball into `folder` and returns its path. Rejects where a source does not compile.
 */
export async function packPluginRunner(folder: string): Promise<string> {
  const work = await mkdtemp(path.join(tmpdir(), 'plugin-runner-package-'));
  try {
    await compile(work);
    await bundleImports(path.join(work, 'lib'));
    for (const file of ['libs/plugin-runner/README.md', 'LICENSE']) {
      await cp(path.join(ROOT, file), path.join(work, path.basename(file)));
    }
    await writeFile(path.join(work, 'package.json'), await packageJson());
    await mkdir(folder, { recursive: true });
    const target = path.resolve(folder);
    await run('npm', ['pack', '--silent', '--pack-destination', target], {
      cwd: work,
      timeout: BUILD_MS_MAX,
    });
    return path.join(target, SDK_FILE);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function compile(work: string): Promise<void> {
  const tsconfig = {
    extends: path.join(ROOT, 'tsconfig.base.json'),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      rewriteRelativeImportExtensions: true,
      rootDir: path.join(ROOT, 'libs'),
      outDir: path.join(work, 'lib'),
      typeRoots: [path.join(ROOT, 'node_modules/@types')],
    },
    files: ENTRIES.map((file) => path.join(ROOT, 'libs', `${file}.ts`)),
  };
  await writeFile(path.join(work, 'tsconfig.json'), JSON.stringify(tsconfig));
  try {
    await run(path.join(ROOT, 'node_modules/.bin/tsc'), ['-p', work], { timeout: BUILD_MS_MAX });
  } catch (cause) {
    const { stdout } = cause as { stdout?: string };
    throw new Error(`the runner does not compile:\n${stdout ?? ''}`, { cause });
  }
  await rm(path.join(work, 'tsconfig.json'));
}

async function bundleImports(lib: string): Promise<void> {
  const files = await readdir(lib, { recursive: true });
  for (const file of files.filter((name) => /\.(?:js|d\.ts)$/.test(name))) {
    const source = await readFile(path.join(lib, file), 'utf8');
    const bundled = source.replaceAll(/(?<=from ')@polygate\/[\w/-]+(?=')/g, (name) => {
      const target = BUNDLED[name];
      if (target === undefined) throw new Error(`${file} imports ${name}, which is not bundled`);
      const relative = path.relative(path.dirname(file), `${target}.js`);
      return relative.startsWith('.') ? relative : `./${relative}`;
    });
    await writeFile(path.join(lib, file), bundled);
  }
}

async function packageJson(): Promise<string> {
  const source = await readFile(path.join(ROOT, 'libs/plugin-runner/package.json'), 'utf8');
  const { name, description, license } = JSON.parse(source) as Record<string, string>;
  const entry = (file: string) => ({
    types: `./lib/plugin-runner/src/${file}.d.ts`,
    default: `./lib/plugin-runner/src/${file}.js`,
  });
  const content = {
    name,
    version: VERSION,
    description,
    license,
    type: 'module',
    engines: { node: '>=22.18' },
    exports: { '.': entry('index'), './testing': entry('testing') },
    bin: { 'polygate-plugin-runner': 'lib/plugin-runner/src/main.js' },
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

async function main(): Promise<void> {
  const { positionals } = parseArgs({ allowPositionals: true });
  console.log(await packPluginRunner(positionals[0] ?? '.'));
}

if (import.meta.main) await main();
