import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ErrorCode } from '@polygate/runner-protocol';
import { afterEach, expect, test, vi } from 'vitest';
import { TestGateway } from './test-gateway.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function tempDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'polygate-runner-'));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** As a gateway starts it. */
function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const path = join(tempDirectory(), 'runner.sock');
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, APISIX_LISTEN_ADDRESS: `unix:${path}`, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  cleanups.push(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  const connect = async () => {
    await vi.waitFor(() => expect(existsSync(path), stderr).toBe(true), 20_000);
    const gateway = await TestGateway.connect(path);
    cleanups.push(() => gateway.socket.destroy());
    return gateway;
  };
  return { path, child, exited, connect, stderr: () => stderr };
}

test('the sample sets its header, until SIGTERM ends it and its socket', async () => {
  const runner = run([], { POLYGATE_RUNNER_SOCKET_MODE: '0666', APISIX_CONF_EXPIRE_TIME: '60' });
  const gateway = await runner.connect();
  expect(statSync(runner.path).mode & 0o777).toBe(0o666);
  gateway.call({ confToken: await gateway.prepare([{ name: 'add-header', value: '{}' }]) });
  expect(await gateway.result()).toMatchObject({
    action: { kind: 'rewrite', headers: [{ name: 'X-Runner', value: 'typescript' }] },
  });
  runner.child.kill('SIGTERM');
  expect(await runner.exited).toEqual([0, null]);
  expect(existsSync(runner.path)).toBe(false);
});

test('SIGTERM ends it also while a plugin hangs', async () => {
  const file = join(tempDirectory(), 'hangs.mjs');
  writeFileSync(
    file,
    `export default {
      name: 'hangs',
      async onRequest(request) { await request.variable('a'); },
    };`,
  );
  const runner = run([file]);
  const gateway = await runner.connect();
  gateway.call({ confToken: await gateway.prepare([{ name: 'hangs', value: '' }]) });
  await gateway.receive();
  runner.child.kill('SIGTERM');
  expect(await runner.exited).toEqual([0, null]);
});

test('plugins of files are served, and what they forget does not end the process', async () => {
  const file = join(tempDirectory(), 'plugins.mjs');
  writeFileSync(
    file,
    `export default [
      { name: 'careless', onRequest() { void Promise.reject(new Error('forgotten')); } },
      { name: 'throws', onRequest() { throw new Error('line one\\nline two'); } },
    ];`,
  );
  const runner = run([file]);
  const gateway = await runner.connect();
  const careless = await gateway.prepare([{ name: 'careless', value: '' }], 'careless');
  for (let i = 0; i < 2; i++) {
    gateway.call({ confToken: careless });
    expect(await gateway.result()).toMatchObject({ action: { kind: 'continue' } });
  }
  await vi.waitFor(() => expect(runner.stderr()).toContain('forgotten'));
  gateway.call({ confToken: await gateway.prepare([{ name: 'throws', value: '' }], 'throws') });
  expect(await gateway.errorCode()).toBe(ErrorCode.SERVICE_UNAVAILABLE);
  await vi.waitFor(() => expect(runner.stderr()).toContain('line one | line two'));
});

test.each<[string, string, Readonly<Record<string, string>>]>([
  ['a file without a plugin', 'export default {};', {}],
  ['an address that is no socket', '', { APISIX_LISTEN_ADDRESS: '127.0.0.1:80' }],
  ['a bad mode', '', { POLYGATE_RUNNER_SOCKET_MODE: 'rw' }],
  ['a bad expiry', '', { APISIX_CONF_EXPIRE_TIME: '-1' }],
])('%s ends it with status 1 and one line', async (_, source, env) => {
  const file = join(tempDirectory(), 'plugin.mjs');
  if (source !== '') writeFileSync(file, source);
  const runner = run(source === '' ? [] : [file], env);
  expect(await runner.exited).toEqual([1, null]);
  expect(runner.stderr().trim().split('\n')).toHaveLength(1);
  expect(runner.stderr()).toMatch(/^error /);
});
