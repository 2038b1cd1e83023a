import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { memoryLog } from '@polygate/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ThreadStart } from './user-plugin-thread.fixture.ts';
import { UserPlugins } from './user-plugins.ts';

let dir: string;
let log: ReturnType<typeof memoryLog>;
let opened: UserPlugins[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'user-plugins-'));
  log = memoryLog();
  opened = [];
});
afterEach(async () => {
  for (const plugins of opened) plugins.close();
  await rm(dir, { recursive: true });
});

function open(parts: 'code' | 'definitions' = 'code', dirs = [dir]): UserPlugins {
  const plugins = new UserPlugins({ dirs, parts, log });
  opened.push(plugins);
  return plugins;
}

async function write(file: string, text: string): Promise<void> {
  await mkdir(join(dir, file, '..'), { recursive: true });
  await writeFile(join(dir, file), text);
}

const IMPORT = "import { text } from './lib/text.js';\n";

const code = (name: string, body: string, more = '') => `
import { definePlugin } from '@polygate/plugin-sdk';
export default definePlugin(
  { name: '${name}', version: 1, priority: 5, schema: { type: 'object' }${more} },
  { access: () => ({ status: 200, body: '${body}' }) },
);
`;

/** In a thread of Node's own, as it is where it serves. */
async function answerOf({ versions }: UserPlugins, name: string): Promise<string> {
  const thread = new Worker(new URL('./user-plugin-thread.fixture.ts', import.meta.url), {
    workerData: { name, versions } satisfies ThreadStart,
  });
  const [answer] = await once(thread, 'message');
  await thread.terminate();
  return answer;
}

test('a plugin is a file or a folder of its name, and nothing else is one', async () => {
  await write('single.mjs', code('single', 'one'));
  await write(
    'folder/folder.ts',
    `import words from './words.json' with { type: 'json' };
    ${code('folder', 'x').replace("'x'", 'words.two as string')}`,
  );
  await write('folder/words.json', '{ "two": "two" }');
  await write('folder/folder.test.ts', 'throw new Error("a test is no part of it")');
  await write('lib/some.ts', 'throw new Error("no plugin")');
  await write('vitest.config.ts', 'throw new Error("no plugin")');
  await write('.hidden.ts', 'throw new Error("no plugin")');
  await write('node_modules/node_modules.js', 'throw new Error("no plugin")');
  const plugins = open();
  expect(await plugins.refresh()).toBe(true);
  expect([...plugins.definitions.keys()]).toEqual(['folder', 'single']);
  expect(await answerOf(plugins, 'single')).toBe('200 one');
  expect(await answerOf(plugins, 'folder')).toBe('200 two');
  expect(log.lines.filter((line) => !line.startsWith('info'))).toEqual([]);
});

test('a changed file is a new version; what did not change is not loaded again', async () => {
  await write('mine/mine.js', code('mine', 'x').replace("'x'", 'text').replace(/^/, IMPORT));
  await write('mine/lib/text.js', "export const text = 'first';");
  const plugins = open();
  await plugins.refresh();
  const first = plugins.versions.get('mine');
  expect(await answerOf(plugins, 'mine')).toBe('200 first');
  expect(await plugins.refresh({ retry: true })).toBe(false);
  expect(plugins.versions.get('mine')).toBe(first);

  await write('mine/lib/text.js', "export const text = 'second!';");
  expect(await plugins.refresh()).toBe(true);
  expect(await answerOf(plugins, 'mine')).toBe('200 second!');
});

test('a version that is broken leaves the last good one, whatever becomes of the files', async () => {
  await write('mine.ts', code('mine', 'good'));
  const plugins = open();
  await plugins.refresh();
  await write('mine.ts', 'export default ;\n');
  expect(await plugins.refresh()).toBe(false);
  expect(log.lines.join('\n')).toMatch(
    /error: user plugin \[mine\] cannot be loaded from \S+mine\.ts: .*; its last good version stays/,
  );
  expect(await answerOf(plugins, 'mine')).toBe('200 good');
  await write('mine.ts', code('mine', 'better'));
  expect(await plugins.refresh()).toBe(true);
  expect(await answerOf(plugins, 'mine')).toBe('200 better');
});

test('a plugin that never worked refuses its requests, and is unknown to the Admin API', async () => {
  await write('mine.ts', 'export default 5;');
  const plugins = open();
  const definitions = open('definitions');
  await Promise.all([plugins.refresh(), definitions.refresh()]);
  expect(plugins.definitions.get('mine')?.schema).toEqual({ type: 'object' });
  expect(await answerOf(plugins, 'mine')).toContain(
    '503 {"message":"plugin mine is not available"}',
  );
  expect([...definitions.definitions]).toEqual([]);
});

test('code that ends the process or fails late is found out before it is used', async () => {
  await write('ender.js', 'process.exit(0);');
  await write(
    'thrower.js',
    'setTimeout(() => { throw new Error("later"); });await new Promise(() => {});',
  );
  const plugins = open();
  await plugins.refresh();
  expect(log.lines.join('\n')).toContain('it ended the thread that loaded it; it never worked');
  expect(log.lines.join('\n')).toContain('later; it never worked');
});

test('a name of a built-in plugin or of one in an earlier folder is refused', async () => {
  await write('a/mine.js', code('mine', 'a'));
  await write('b/mine.js', code('mine', 'b'));
  await write('b/key-auth.js', code('key-auth', 'open to all'));
  const plugins = open('code', [join(dir, 'a'), join(dir, 'b'), join(dir, 'none')]);
  await plugins.refresh();
  await plugins.refresh();
  expect([...plugins.definitions.keys()]).toEqual(['mine']);
  expect(await answerOf(plugins, 'mine')).toBe('200 a');
  const errors = log.lines.filter((line) => line.startsWith('error'));
  expect(errors).toHaveLength(3);
  expect(errors.join('\n')).toContain('Polygate has a plugin [key-auth] of its own');
  expect(errors.join('\n')).toContain('a/mine.js is a plugin [mine] already');
  expect(errors.join('\n')).toContain('none cannot be read: ENOENT');
});

test('the Admin API loads the schema file alone where there is one', async () => {
  const schema = `export const definition =
    { name: 'mine', version: 1, priority: 5, schema: { type: 'object', required: ['a'] } };`;
  await write('mine/mine.schema.ts', schema);
  await write('mine/mine.ts', 'throw new Error("not to be loaded");');
  const definitions = open('definitions');
  await definitions.refresh();
  expect(definitions.definitions.get('mine')?.schema).toMatchObject({ required: ['a'] });
});

test('what is wrong with a plugin is said, with file and line', async () => {
  await write('one/one.mjs', "import './gone.mjs';");
  await write('two/two.ts', "import './lib.ts';");
  await write('two/lib.ts', '\nthrow new Error("no luck");');
  await write('three.js', code('other', 'x'));
  const plugins = open();
  await plugins.refresh();
  const problemOf = (name: string) => plugins.versions.get(name)?.problem;
  expect(problemOf('one')).toMatch(/Cannot find module .*gone\.mjs/);
  expect(problemOf('two')).toMatch(/^no luck \(\S+two\/lib\.ts:2:7\)$/);
  expect(problemOf('three')).toBe('its definition is of "other", its file of "three"');
});

test('files are taken once they rest, and what was removed is gone', async () => {
  await write('mine.js', code('mine', 'one'));
  const plugins = open();
  await plugins.refresh();
  let changes = 0;
  plugins.watch(() => void (changes += 1));
  await write('mine.js', code('mine', 'another'));
  await expect.poll(() => changes, { timeout: 10_000 }).toBe(1);
  expect(await answerOf(plugins, 'mine')).toBe('200 another');
  await rm(join(dir, 'mine.js'));
  await expect.poll(() => changes, { timeout: 10_000 }).toBe(2);
  expect(plugins.definitions.size).toBe(0);
});

test('a folder that cannot be read for a while takes nothing away', async () => {
  await write('far/mine.js', code('mine', 'one'));
  const plugins = open('code', [join(dir, 'far')]);
  await plugins.refresh();
  await rename(join(dir, 'far'), join(dir, 'away'));
  expect(await plugins.refresh({ retry: true })).toBe(false);
  expect(await answerOf(plugins, 'mine')).toBe('200 one');
  expect(log.lines.join()).toContain('far cannot be read: ENOENT');
});
