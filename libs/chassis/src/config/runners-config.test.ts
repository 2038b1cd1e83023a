import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadConfig } from './load-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'chassis-'));
afterAll(() => rmSync(folder, { recursive: true }));

function runnersOf(text: string) {
  const file = join(folder, 'config.yaml');
  writeFileSync(file, text);
  return loadConfig(file, {}).polygate.runners;
}

test('ext-plugin makes one pool, whose environment is nginx_config.envs', () => {
  const [runner, ...others] = runnersOf(
    'ext-plugin: {cmd: [/opt/runner, run]}\nnginx_config: {envs: [HOME, COLOUR=red]}\n',
  );
  expect(others).toEqual([]);
  expect(runner).toMatchObject({
    name: 'default',
    source: { cmd: ['/opt/runner', 'run'] },
    plugins: [],
    instances: 1,
    env: ['HOME', 'COLOUR=red'],
  });
  expect(runnersOf('')).toEqual([]);
});

test('path_for_test comes before cmd, and its answers need no id', () => {
  const [runner] = runnersOf('ext-plugin: {cmd: [/opt/runner], path_for_test: /tmp/runner.sock}\n');
  expect(runner?.source).toEqual({ socketPath: '/tmp/runner.sock', requiresReplyId: false });
});

test('pools of our own come behind it', () => {
  const runners = runnersOf(
    'ext-plugin: {cmd: [/opt/runner]}\n' +
      'polygate: {runners: [{name: python, address: "unix:/run/python.sock", plugins: [say]}]}\n',
  );
  expect(runners.map(({ name }) => name)).toEqual(['default', 'python']);
  expect(runners[1]).toMatchObject({
    source: { socketPath: '/run/python.sock', requiresReplyId: true },
    plugins: ['say'],
  });
});

test.each([
  ['[{name: a, cmd: [x]}, {name: a, cmd: [y]}]', 'two runners are named a'],
  ['[{name: default, cmd: [x]}]', 'ext-plugin makes one of that name'],
  ['[{name: a, cmd: [x], plugins: [p]}, {name: b, cmd: [y], plugins: [p]}]', 'have the plugin p'],
  ['[{name: a}]', 'either cmd or address has to be written'],
  ['[{name: a, cmd: [x], address: "unix:/a"}]', 'either cmd or address has to be written'],
  ['[{name: a, address: "unix:/a", cwd: /tmp}]', 'polygate.runners[0].cwd: needs cmd'],
])('refuses the pools %s', (runners, problem) => {
  const text = `ext-plugin: {cmd: [/opt/runner]}\npolygate: {runners: ${runners}}\n`;
  expect(() => runnersOf(text)).toThrow(problem);
});
