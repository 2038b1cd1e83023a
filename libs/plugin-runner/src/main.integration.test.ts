import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ErrorCode } from '@polygate/runner-protocol';
import { expect, test, vi } from 'vitest';
import { run, tempDirectory } from './runner-process.fixture.ts';

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
      async request(request) { await request.variable('a'); },
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
      { name: 'careless', request() { void Promise.reject(new Error('forgotten')); } },
      { name: 'throws', request() { throw new Error('line one\\nline two'); } },
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
