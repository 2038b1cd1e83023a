import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { AnyExternalPlugin } from './external-plugin.ts';
import { stderrLog } from './runner-log.ts';
import { startPluginRunner } from './plugin-runner.ts';
import addHeader from './sample/add-header.ts';

/** `node main.ts [PLUGIN_FILE…]`: without a file it serves the sample. */
async function main(files: readonly string[]): Promise<void> {
  const plugins = files.length === 0 ? [addHeader] : (await Promise.all(files.map(load))).flat();
  const runner = await startPluginRunner({ plugins });
  // A promise that a plugin forgot must not end the calls of all others.
  process.on('unhandledRejection', (reason) => {
    stderrLog.error(`a plugin left a rejected promise: ${String(reason)}`);
  });
  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) return;
    stopping = true;
    stderrLog.info(`${signal}: closing`);
    // APISIX kills a runner one second after SIGTERM.
    setTimeout(() => process.exit(0), 900).unref();
    void runner.close().finally(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** The default export of a plugin file: a plugin or several. */
async function load(file: string): Promise<AnyExternalPlugin[]> {
  const module = (await import(pathToFileURL(resolve(file)).href)) as { default?: unknown };
  const plugins: unknown[] = Array.isArray(module.default) ? module.default : [module.default];
  return plugins.map((plugin) => {
    if (isPlugin(plugin)) return plugin;
    throw new Error(`${file} must export a plugin, or an array of them, as default`);
  });
}

function isPlugin(value: unknown): value is AnyExternalPlugin {
  if (typeof value !== 'object' || value === null) return false;
  const { name, onRequest, onResponse } = value as Record<string, unknown>;
  const handlers = [onRequest, onResponse].filter((handler) => handler !== undefined);
  return (
    typeof name === 'string' &&
    name !== '' &&
    handlers.length > 0 &&
    handlers.every((handler) => typeof handler === 'function')
  );
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  stderrLog.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
