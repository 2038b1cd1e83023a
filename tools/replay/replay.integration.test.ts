import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startAdminApi } from '@polygate/admin-api';
import { loadConfig } from '@polygate/chassis';
import { openConfigStore } from '@polygate/config-store';
import { connectRunnerService, type RunnerConnectResponse } from '@polygate/rpc';
import { managerOptionsFrom, startRunnerManager } from '@polygate/runner-manager';
import { afterEach, expect, test, vi } from 'vitest';
import { lineDiff } from './line-diff.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const RUNNER = path.join(ROOT, 'libs/plugin-runner/src/main.ts');
const KEY = 'admin-key-of-the-tests';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A plugin that asks for a variable and the body, and answers with them. */
const pluginOf = (status: number, variable: string): string => `
export default {
  name: 'echo',
  async request(ctx) {
    if (ctx.path === '/throw') throw new Error('as told');
    if (ctx.path === '/rewrite') { ctx.path = '/new'; return; }
    const host = await ctx.variable('${variable}');
    const body = await ctx.body();
    return { status: ${status}, headers: { 'X-Host': host ?? 'none' }, body };
  },
};
`;

async function startAll(folder: string) {
  const file = path.join(folder, 'config.yaml');
  const plugin = path.join(folder, 'plugin.mjs');
  writeFileSync(plugin, pluginOf(403, 'host'));
  const cmd = JSON.stringify([process.execPath, RUNNER, plugin]);
  writeFileSync(
    file,
    `
deployment:
  role_traditional: { config_provider: embedded }
  admin:
    admin_key: [{ name: admin, key: ${KEY}, role: admin }]
    admin_listen: { ip: 127.0.0.1, port: 0 }
ext-plugin: { cmd: ${cmd} }
polygate: { data_dir: ${folder}/data, run_dir: ${folder}/run }
`,
  );
  const config = loadConfig(file, {});
  const ignore = (): void => undefined;
  const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const manager = await startRunnerManager(managerOptionsFrom(config, log, {}));
  cleanups.push(() => manager.stop(0));
  const store = openConfigStore(config, log);
  cleanups.push(() => store.close());
  const loadPluginList = () => config;
  const api = await startAdminApi({ config, store, log, auditLog: log, loadPluginList });
  cleanups.push(() => api.stop(0));
  const url = `http://127.0.0.1:${api.address.port}/apisix/admin/polygate/runners/default`;
  return { plugin, manager, url };
}

/** Makes the calls over and over until the recording has its number. */
async function record(address: string, url: string, paths: readonly string[]): Promise<string> {
  const client = connectRunnerService({ address });
  const stream = client.connect();
  cleanups.push(() => {
    stream.cancel();
    client.close();
  });
  stream.on('error', () => undefined);
  const waiting = new Map<number, () => void>();
  stream.on('data', ({ frames }: RunnerConnectResponse) => {
    for (const { callId, frame } of frames) {
      if (frame?.$case !== 'extraInfoQuestion') {
        waiting.get(callId)?.();
        continue;
      }
      const isVariable = frame.value.info?.$case === 'variable';
      const result = Buffer.from(isVariable ? 'a.test' : 'the body');
      const answer = { callId, frame: { $case: 'extraInfoAnswer', value: { result } } } as const;
      stream.write({ frames: [answer] });
    }
  });
  let lastId = 0;
  const call = (at: string): Promise<void> =>
    new Promise((resolve) => {
      lastId += 1;
      waiting.set(lastId, resolve);
      const conf = { key: 'route#1#x#1', plugins: [{ name: 'echo', value: '' }] };
      const value = {
        ...{ conf, method: 'POST', path: at, args: [{ name: 'a', value: 'b' }], headers: [] },
        ...{ sourceIp: Buffer.from([127, 0, 0, 1]), timeoutMs: 0, runner: '', retries: 0 },
        ...{ traceparent: '', tracestate: '', known: undefined },
      };
      stream.write({ frames: [{ callId: lastId, frame: { $case: 'requestCall', value } }] });
    });
  await call('/warm-up');
  const response = await fetch(`${url}/record`, {
    method: 'POST',
    headers: { 'X-API-KEY': KEY },
    body: JSON.stringify({ calls: paths.length, plugin: 'echo' }),
  });
  expect(response.status).toBe(200);
  // the headers come before the managers have been told
  const text = response.text();
  let recorded: string | undefined;
  void text.then((all) => (recorded = all));
  await vi.waitFor(
    async () => {
      for (const at of paths) await call(at);
      expect(recorded).toBeDefined();
    },
    { timeout: 10_000, interval: 20 },
  );
  return text;
}

function replay(...args: readonly string[]) {
  const tool = path.join(ROOT, 'tools/replay/replay.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [tool, ...args], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { status, stdout, stderr };
}

test('a recording is replayed at a runner, and a runner that has changed is told of', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'pg-replay-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const { plugin, manager, url } = await startAll(folder);
  const recording = await record(manager.address, url, ['/stop', '/rewrite', '/throw']);
  const file = path.join(folder, 'recording.ndjson');
  writeFileSync(file, recording);
  expect(recording.trim().split('\n').length).toBe(3);

  const cmd = ['--cmd', process.execPath, RUNNER, plugin];
  const same = replay(file, ...cmd);
  expect(same.stdout).toContain('3 of 3 calls got the same answer');
  expect(same.stdout).toMatch(/same {6}\d POST \/stop\?a=b\n/);
  expect(same.status).toBe(0);

  const [socketFolder, socket] = [path.join(folder, 'run'), 'no-such.sock'];
  expect(replay(file, '--socket', path.join(socketFolder, socket)).status).toBe(2);

  writeFileSync(plugin, pluginOf(401, 'uri'));
  const changed = replay(file, '--timeout-ms', '5000', ...cmd);
  expect(changed.status).toBe(1);
  expect(changed.stdout).toContain('2 of 3 calls got the same answer');
  expect(changed.stdout).toMatch(/different \d POST \/stop/);
  for (const line of [
    '    - asks for variable host',
    '    + asks for variable uri, which was not recorded',
    '      asks for request body',
    '    - status 403',
    '    + status 401',
    '    - header x-host: a.test',
    '    + header x-host: none',
    '      body of 8 bytes "the body"',
  ]) {
    expect(changed.stdout).toContain(`${line}\n`);
  }
});

test('what cannot be replayed is named, with the exit code 2', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'pg-replay-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'r.ndjson');
  writeFileSync(file, '{"conf":{"key":"a","plugins":[]},"frames":[]}\n');
  expect(replay(file, '--socket', '/x')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('line 1 is no recorded call: it has no frames') as string,
  });
  for (const args of [[], [file], [file, '--cmd'], [file, '--socket', '/x', '--cmd', 'true']]) {
    expect(replay(...args)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('usage:') as string,
    });
  }
  writeFileSync(file, '');
  expect(replay(file, '--cmd', process.execPath, '-e', 'process.exit(3)')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('ended before it listened: exit code 3') as string,
  });
});

test('lineDiff keeps what is common in place', () => {
  expect(lineDiff(['a', 'b', 'c'], ['a', 'x', 'c', 'd'])).toEqual([
    '  a',
    '- b',
    '+ x',
    '  c',
    '+ d',
  ]);
  expect(lineDiff([], ['a'])).toEqual(['+ a']);
  expect(lineDiff(['a'], [])).toEqual(['- a']);
});
