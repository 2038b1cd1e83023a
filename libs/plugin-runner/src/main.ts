#!/usr/bin/env node
import { parseArgs } from 'node:util';
import type { AnyExternalPlugin } from './external-plugin.ts';
import { importPlugins, pluginFiles } from './loading/plugin-files.ts';
import { startPluginRunner, type PluginRunner } from './plugin-runner.ts';
import { PluginWatch } from './loading/plugin-watch.ts';
import { stderrLog } from './runner-log.ts';

const USAGE = `usage: polygate-plugin-runner [--watch] [PLACE…]
  PLACE    a module that exports plugins, a folder of such modules, or a package;
           none: the sample, which sets a request header
  --watch  load plugins again when they are saved (also POLYGATE_RUNNER_WATCH=1)`;

/** APISIX kills a runner one second after SIGTERM. */
const EXIT_MS = 900;

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = readArgs(args);
  if (values.help === true) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const places = positionals.length === 0 ? [samplePath()] : positionals;
  const watched = values.watch === true || process.env['POLYGATE_RUNNER_WATCH'] === '1';
  // A promise that a plugin forgot must not end the calls of all others.
  process.on('unhandledRejection', (reason) => {
    stderrLog.error(`a plugin left a rejected promise: ${String(reason)}`);
  });
  const started: { runner?: PluginRunner } = {};
  const onPlugins = (saved: AnyExternalPlugin[]) => started.runner?.replacePlugins(saved);
  const watch = watched ? watchOf(places, onPlugins) : undefined;
  const plugins = await (watch?.load() ?? loadOnce(places));
  started.runner = await startPluginRunner({ plugins });
  closeOnSignal(started.runner, watch);
}

function loadOnce(places: readonly string[]): Promise<AnyExternalPlugin[]> {
  return pluginFiles(places, process.cwd()).then((files) => importPlugins(files));
}

function watchOf(
  places: readonly string[],
  onPlugins: (plugins: AnyExternalPlugin[]) => void,
): PluginWatch {
  return new PluginWatch({ places, cwd: process.cwd(), log: stderrLog, onPlugins });
}

function closeOnSignal(runner: PluginRunner, watch: PluginWatch | undefined): void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) return;
    stopping = true;
    stderrLog.info(`${signal}: closing`);
    setTimeout(() => process.exit(0), EXIT_MS).unref();
    watch?.close();
    void runner.close().finally(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** With the extension that this file has, as source or compiled. */
function samplePath(): string {
  const extension = import.meta.filename.endsWith('.ts') ? 'ts' : 'js';
  return `${import.meta.dirname}/sample/add-header.${extension}`;
}

function readArgs(args: readonly string[]) {
  const options = { watch: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const;
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (cause) {
    throw new Error(`${(cause as Error).message}\n${USAGE}`);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  stderrLog.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
