import { mkdirSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { run, tempDirectory } from './runner-process.fixture.ts';
import type { TestGateway } from './test-gateway.ts';

const WAIT = { timeout: 15_000, interval: 25 };

/** The body that the plugin answers with; undefined where the runner refuses. */
async function body(gateway: TestGateway, confToken: number) {
  gateway.call({ confToken });
  const { action } = await gateway.result();
  return action.kind === 'stop' ? Buffer.from(action.body).toString() : action.kind;
}

const says = (text: string, name = 'p') =>
  `export default { name: '${name}', request: () => ({ body: ${text} }) };\n`;

test('a saved plugin serves running confs without a call lost', async () => {
  const folder = tempDirectory();
  const file = join(folder, 'p.ts');
  writeFileSync(file, says(`'one' as string`));
  const runner = run(['--watch', file]);
  const gateway = await runner.connect();
  const confToken = await gateway.prepare([{ name: 'p', value: '' }]);
  expect(await body(gateway, confToken)).toBe('one');
  writeFileSync(file, says(`'two' as string`));
  // Each call on the way there is answered by one version or the other.
  await vi.waitFor(async () => {
    const said = await body(gateway, confToken);
    expect(['one', 'two']).toContain(said);
    expect(said).toBe('two');
  }, WAIT);
});

test('a broken save keeps the last good version and is logged, until it is mended', async () => {
  const folder = tempDirectory();
  const file = join(folder, 'p.ts');
  writeFileSync(file, says(`'good'`));
  const runner = run(['--watch', folder]);
  const gateway = await runner.connect();
  const confToken = await gateway.prepare([{ name: 'p', value: '' }]);
  const broken = ['export default {', 'throw new Error("at once");', 'export default 7;'];
  for (const source of broken) {
    const linesBefore = runner.stderr().split('the save is not taken').length;
    writeFileSync(file, source);
    await vi.waitFor(() => {
      expect(runner.stderr().split('the save is not taken').length).toBeGreaterThan(linesBefore);
    }, WAIT);
    expect(await body(gateway, confToken)).toBe('good');
  }
  expect(runner.stderr()).toContain('at once');
  writeFileSync(`${file}.new`, says(`'mended'`));
  renameSync(`${file}.new`, file);
  await vi.waitFor(async () => expect(await body(gateway, confToken)).toBe('mended'), WAIT);
});

test('a save of what a plugin imports counts as well', async () => {
  const folder = tempDirectory();
  mkdirSync(join(folder, 'words'));
  const words = join(folder, 'words/words.ts');
  writeFileSync(words, `export const word: string = 'one';\n`);
  const plugin = `import { word } from './words/words.ts';\n${says('word')}`;
  writeFileSync(join(folder, 'p.ts'), plugin);
  const runner = run(['--watch', join(folder, 'p.ts')]);
  const gateway = await runner.connect();
  const confToken = await gateway.prepare([{ name: 'p', value: '' }]);
  expect(await body(gateway, confToken)).toBe('one');
  writeFileSync(words, `export const word: string = 'two';\n`);
  await vi.waitFor(async () => expect(await body(gateway, confToken)).toBe('two'), WAIT);
});

test('a file added to a folder is a new plugin, one that is removed is none', async () => {
  const folder = tempDirectory();
  writeFileSync(join(folder, 'p.ts'), says(`'p'`));
  writeFileSync(join(folder, '_draft.ts'), 'no code');
  writeFileSync(join(folder, 'p.test.ts'), 'no code');
  const runner = run(['--watch', folder]);
  const gateway = await runner.connect();
  const added = [{ name: 'q', value: '' }];
  await expect(gateway.prepare(added, 'q')).rejects.toThrow('frame of type 0');
  const file = join(folder, 'q.mjs');
  writeFileSync(file, says(`'q'`, 'q'));
  let confToken = 0;
  await vi.waitFor(async () => {
    confToken = await gateway.prepare(added, 'q');
  }, WAIT);
  expect(await body(gateway, confToken)).toBe('q');
  unlinkSync(file);
  await vi.waitFor(() => expect(runner.stderr()).toMatch(/there is no plugin "q"/), WAIT);
  await vi.waitFor(() => expect(runner.stderr()).toMatch(/a conf stays with the plugins/), WAIT);
  // The route that uses it goes on until the gateway takes it away.
  expect(await body(gateway, confToken)).toBe('q');
  await expect(gateway.prepare(added, 'again')).rejects.toThrow('frame of type 0');
});

test('without --watch a save changes nothing', async () => {
  const folder = tempDirectory();
  const file = join(folder, 'p.mjs');
  writeFileSync(file, says(`'one'`));
  const runner = run([folder]);
  const gateway = await runner.connect();
  const confToken = await gateway.prepare([{ name: 'p', value: '' }]);
  writeFileSync(file, says(`'two'`));
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await body(gateway, confToken)).toBe('one');
});

test('a package is named as it would be imported', async () => {
  const cwd = tempDirectory();
  const folder = join(cwd, 'node_modules/my-plugins');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"type":"module","exports":"./main.js"}');
  writeFileSync(join(folder, 'main.js'), says(`'packaged'`));
  const runner = run(['my-plugins'], {}, cwd);
  const gateway = await runner.connect();
  expect(await body(gateway, await gateway.prepare([{ name: 'p', value: '' }]))).toBe('packaged');
  const missing = run(['no-such-package'], {}, cwd);
  expect(await missing.exited).toEqual([1, null]);
  expect(missing.stderr()).toContain('there is no file, folder or package no-such-package');
});
