import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { folderOrderProblems } from './folder-order.ts';

// House rules that a compiler or linter does not know. The limits are taste, kept by a test so that
// nobody has to argue about them; an exception has its reason beside it.

/** Prettier keeps code within 100; a comment or a text that cannot be broken may be a little longer. */
const COLUMNS_MAX = 110;
const LINES_MAX = 400;
const TEST_LINES_MAX = 600;
const FUNCTION_LINES_MAX = 70;
const FILES_PER_FOLDER_MAX = 20;
const BANNED_NAMES =
  /(^|\/)(utils?|common|shared|core|helpers?|types|interfaces|constants|misc)(\.ts)?(\/|$)/;

/** Folder → why it holds more files than others. */
const LARGE_FOLDERS: Readonly<Record<string, string>> = {
  'libs/plugins/src': 'a folder per plugin',
};

/** Folders of `libs/plugins/src` that are no plugin: what several plugins are made with. */
const PLUGIN_ROOMS: ReadonlySet<string> = new Set([
  'kafka',
  'ldap',
  'log-entries',
  'log-sinks',
  'redis',
  'tracing',
  'user-plugins',
]);

const root = path.resolve(import.meta.dirname, '../..');
const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root })
  .toString()
  .split('\n')
  .filter((file) => file !== '' && isPresent(file));
const sources = files.filter((file) => /\.(ts|mjs)$/.test(file) && !isGenerated(file));

describe('tidy', () => {
  test(`no source line is over ${COLUMNS_MAX} columns`, () => {
    const long = sources.flatMap((file) =>
      read(file)
        .split('\n')
        .flatMap((line, i) => (line.length > COLUMNS_MAX ? [`${file}:${i + 1}`] : [])),
    );
    expect(long).toEqual([]);
  });

  test(`no file is over ${LINES_MAX} lines, no test over ${TEST_LINES_MAX}`, () => {
    const long = sources.flatMap((file) => {
      const lines = read(file).split('\n').length - 1;
      const max = /\.(test|bench)\.ts$/.test(file) ? TEST_LINES_MAX : LINES_MAX;
      return lines > max ? [`${file}: ${lines}`] : [];
    });
    expect(long).toEqual([]);
  });

  test(`no function is over ${FUNCTION_LINES_MAX} lines`, () => {
    const long = sources.filter((file) => !/\.(test|bench)\.ts$/.test(file)).flatMap(longFunctions);
    expect(long).toEqual([]);
  });

  test(`no folder has over ${FILES_PER_FOLDER_MAX} files, tests not counted`, () => {
    const counts = new Map<string, number>();
    for (const file of sources.filter((name) => !/\.(test|bench)\.ts$/.test(name))) {
      const folder = path.dirname(file);
      counts.set(folder, (counts.get(folder) ?? 0) + 1);
    }
    const full = [...counts].filter(
      ([folder, count]) => count > FILES_PER_FOLDER_MAX && LARGE_FOLDERS[folder] === undefined,
    );
    expect(full).toEqual([]);
  });

  test('no file or folder has a name that says nothing', () => {
    expect(sources.filter((file) => BANNED_NAMES.test(file))).toEqual([]);
  });

  test('rooms of the data plane import only those before them', () => {
    expect(folderOrderProblems(root, sources)).toEqual([]);
  });

  test('a plugin folder holds schema, code and test of its own name', () => {
    const folders = new Set(
      files.flatMap((file) => /^libs\/plugins\/src\/([^/]+)\//.exec(file)?.[1] ?? []),
    );
    const plugins = [...folders].filter((name) => !PLUGIN_ROOMS.has(name));
    const missing = plugins.flatMap((name) =>
      [`${name}.schema.ts`, `${name}.ts`, `${name}.test.ts`]
        .map((file) => `libs/plugins/src/${name}/${file}`)
        .filter((file) => !files.includes(file)),
    );
    expect(folders.size).toBeGreaterThan(0);
    expect(missing).toEqual([]);
  });

  test('nothing committed names a registry host or a folder of a developer machine', () => {
    const hosts = ['registry.npmjs', 'proxy.golang', 'pypi.org', 'repo.maven', 'crates.io'];
    const folders = ['/work/' + 'main', '/work/' + 'ref', '/ro' + 'ot/'];
    const self = 'tools/tidy/tidy.test.ts';
    const named = files
      .filter((file) => file !== self)
      .filter((file) => [...hosts, ...folders].some((word) => read(file).includes(word)));
    expect(named).toEqual([]);
  });

  test('no source file is left unused', () => {
    const imported = new Set(sources.flatMap(importsOf));
    const entries = /(\.(test|bench)\.ts|(^|\/)(main|index|definitions|worker-thread)\.ts)$/;
    const dead = sources
      .filter((file) => /^(apps|libs)\//.test(file) && !entries.test(file))
      .filter((file) => !imported.has(file))
      // loaded by path: plugins through the registry, samples by the runner, fixtures and examples by
      // tests
      .filter(
        (file) =>
          !/^libs\/(plugins\/src\/[^/]+\/|plugin-runner\/src\/sample\/|plugin-sdk\/examples\/)/.test(
            file,
          ),
      )
      .filter((file) => !/(\/fixtures\/|\.fixture\.ts$)/.test(file));
    expect(dead).toEqual([]);
  });
});

function isGenerated(file: string): boolean {
  return file.includes('/src/gen/') || file.endsWith('.generated.ts');
}

function isPresent(file: string): boolean {
  try {
    read(file);
    return true;
  } catch {
    return false;
  }
}

function read(file: string): string {
  return readFileSync(path.join(root, file), 'utf8');
}

function importsOf(file: string): string[] {
  return [...read(file).matchAll(/(?:from|import|import\(|URL\()\s*'(\.[^']+)'/g)].map((match) =>
    path.normalize(path.join(path.dirname(file), match[1] as string)),
  );
}

function longFunctions(file: string): string[] {
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const first = source.getLineAndCharacterOfPosition(node.getStart()).line;
      const lines = source.getLineAndCharacterOfPosition(node.getEnd()).line - first + 1;
      if (lines > FUNCTION_LINES_MAX) found.push(`${file}:${first + 1}: ${lines} lines`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
