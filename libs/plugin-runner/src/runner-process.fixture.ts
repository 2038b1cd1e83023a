import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, vi } from 'vitest';
import { TestGateway } from './test-gateway.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export function tempDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'polygate-runner-'));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** As a gateway starts it. */
export function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd = process.cwd(),
) {
  const path = join(tempDirectory(), 'runner.sock');
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
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
