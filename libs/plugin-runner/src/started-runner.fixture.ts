import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { defineExternalPlugin, type AnyExternalPlugin } from './external-plugin.ts';
import { startPluginRunner, type PluginRunnerOptions } from './plugin-runner.ts';
import { TestGateway } from './test-gateway.ts';

export const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export function socketPath(): string {
  const directory = mkdtempSync(join(tmpdir(), 'polygate-runner-'));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'runner.sock');
}

/** What was logged since the last start. */
export const logged: string[] = [];
export const log = {
  info: () => undefined,
  warn: (message: string) => logged.push(message),
  error: (message: string) => logged.push(message),
};

/** A runner on a socket of its own, and a connection to it; closed after the test. */
export async function start(
  plugins: readonly AnyExternalPlugin[],
  options: Partial<PluginRunnerOptions> = {},
) {
  logged.length = 0;
  const path = socketPath();
  const runner = await startPluginRunner({ plugins, listen: `unix:${path}`, log, ...options });
  cleanups.push(() => runner.close(0));
  const connect = async () => {
    const gateway = await TestGateway.connect(path);
    cleanups.push(() => gateway.socket.destroy());
    return gateway;
  };
  return { runner, path, connect, gateway: await connect() };
}

export function plugin(request: NonNullable<AnyExternalPlugin['request']>, name = 'p') {
  return defineExternalPlugin({ name, request });
}
