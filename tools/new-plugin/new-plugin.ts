import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { generatePluginRegistry } from '../generate/plugin-registry.ts';
import { NEW_PLUGIN_PHASES, pluginFiles, type NewPluginPhase } from './plugin-files.ts';

const PLUGINS_FOLDER = join(import.meta.dirname, '../../libs/plugins/src');
const NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
const NAME_LENGTH_MAX = 64;
/** In the range that APISIX recommends to plugins of one's own. */
const DEFAULT_PRIORITY = 50;

export const USAGE =
  'usage: node tools/new-plugin/new-plugin.ts NAME' +
  ' [--priority N] [--phase PHASE] [--folder DIR]\n' +
  `  PHASE is one of ${NEW_PLUGIN_PHASES.join(', ')}; access by default`;

/** What the command line gets wrong; the message is for whoever typed it. */
export class UsageError extends Error {}

export interface NewPlugin {
  readonly name: string;
  readonly priority: number;
  readonly phase: NewPluginPhase;
  /** The folder that holds the plugins. */
  readonly folder: string;
}

/** Throws a UsageError. */
export function parseNewPlugin(args: readonly string[]): NewPlugin {
  const { values, positionals } = readArgs(args);
  const [name, ...others] = positionals;
  if (name === undefined || others.length > 0) throw new UsageError(USAGE);
  if (!NAME.test(name) || name.length > NAME_LENGTH_MAX) {
    throw new UsageError(`${name} is no plugin name: lower-case words with hyphens between them`);
  }
  const priority = values.priority === undefined ? DEFAULT_PRIORITY : Number(values.priority);
  if (!Number.isSafeInteger(priority)) throw new UsageError('--priority is to be a whole number');
  const phase = NEW_PLUGIN_PHASES.find((known) => known === (values.phase ?? 'access'));
  if (phase === undefined) throw new UsageError(USAGE);
  return { name, priority, phase, folder: values.folder ?? PLUGINS_FOLDER };
}

/**
 * Writes the three files of a plugin and generates the registry anew. Gives the paths of the files.
 * Rejects with a UsageError when there is a plugin of that name; nothing is ever overwritten.
 */
export async function writeNewPlugin(plugin: NewPlugin): Promise<string[]> {
  const { name, folder } = plugin;
  const pluginFolder = join(folder, name);
  if (existsSync(pluginFolder)) throw new UsageError(`there is a plugin ${name} already`);
  mkdirSync(pluginFolder);
  const paths: string[] = [];
  for (const [file, source] of Object.entries(pluginFiles(plugin))) {
    const path = join(pluginFolder, file);
    writeFileSync(path, source, { flag: 'wx' });
    paths.push(path);
  }
  await generatePluginRegistry(folder);
  return paths;
}

function readArgs(args: readonly string[]) {
  const options = {
    priority: { type: 'string' },
    phase: { type: 'string' },
    folder: { type: 'string' },
  } as const;
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (cause) {
    throw new UsageError(`${cause instanceof Error ? cause.message : String(cause)}\n${USAGE}`);
  }
}

async function main(): Promise<void> {
  try {
    const paths = await writeNewPlugin(parseNewPlugin(process.argv.slice(2)));
    for (const path of paths) console.log(relative(process.cwd(), path));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    process.exitCode = 2;
  }
}

if (import.meta.main) await main();
