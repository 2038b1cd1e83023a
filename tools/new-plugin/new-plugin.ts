import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { generatePluginRegistry } from '../generate/plugin-registry.ts';
import { NEW_PLUGIN_PHASES, pluginFiles, type NewPluginPhase } from './plugin-files.ts';

const ROOT = join(import.meta.dirname, '../..');
const PLUGINS_FOLDER = join(ROOT, 'libs/plugins/src');
const NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
const NAME_LENGTH_MAX = 64;
/** In the range that APISIX recommends to plugins of one's own. */
const DEFAULT_PRIORITY = 50;

export const USAGE =
  'usage: node tools/new-plugin/new-plugin.ts NAME [DIR]' +
  ' [--priority N] [--phase PHASE]\n' +
  '  DIR is a folder of polygate.plugin_dirs; without it the plugin is one of Polygate itself\n' +
  `  PHASE is one of ${NEW_PLUGIN_PHASES.join(', ')}; access by default`;

/** What the command line gets wrong; the message is for whoever typed it. */
export class UsageError extends Error {}

export interface NewPlugin {
  readonly name: string;
  readonly priority: number;
  readonly phase: NewPluginPhase;
  /** The folder that holds the plugins. */
  readonly folder: string;
  /** Whether it is a user's folder, and not that of Polygate's own plugins. */
  readonly isOutside?: boolean;
}

/** Throws a UsageError. */
export function parseNewPlugin(args: readonly string[]): NewPlugin {
  const { values, positionals } = readArgs(args);
  const [name, dir, ...others] = positionals;
  if (name === undefined || others.length > 0) throw new UsageError(USAGE);
  if (!NAME.test(name) || name.length > NAME_LENGTH_MAX) {
    throw new UsageError(`${name} is no plugin name: lower-case words with hyphens between them`);
  }
  const priority = values.priority === undefined ? DEFAULT_PRIORITY : Number(values.priority);
  if (!Number.isSafeInteger(priority)) throw new UsageError('--priority is to be a whole number');
  const phase = NEW_PLUGIN_PHASES.find((known) => known === (values.phase ?? 'access'));
  if (phase === undefined) throw new UsageError(USAGE);
  if (dir === undefined) return { name, priority, phase, folder: PLUGINS_FOLDER };
  return { name, priority, phase, folder: resolve(dir), isOutside: true };
}

/**
 * Writes the three files of a plugin; generates the registry anew, or links a user's folder to this
 * checkout. Gives the paths of what it made.
 * Rejects with a UsageError when there is a plugin of that name; nothing is ever overwritten.
 */
export async function writeNewPlugin(plugin: NewPlugin): Promise<string[]> {
  const { name, folder, isOutside = false } = plugin;
  const pluginFolder = join(folder, name);
  if (existsSync(pluginFolder)) throw new UsageError(`there is a plugin ${name} already`);
  if (isOutside && existsSync(join(PLUGINS_FOLDER, name))) {
    throw new UsageError(`Polygate has a plugin ${name} of its own`);
  }
  mkdirSync(pluginFolder, { recursive: isOutside });
  const paths: string[] = [];
  for (const [file, source] of Object.entries(pluginFiles(plugin))) {
    const path = join(pluginFolder, file);
    writeFileSync(path, source, { flag: 'wx' });
    paths.push(path);
  }
  if (isOutside) paths.push(...linkFolder(folder));
  else await generatePluginRegistry(folder);
  return paths;
}

/** Lets compilers and test runners find the SDK from there; the gateway needs none of it. */
function linkFolder(folder: string): string[] {
  const modules = join(folder, 'node_modules');
  const compiler = {
    extends: join(ROOT, 'tsconfig.base.json'),
    include: ['*.ts', '*/**/*.ts'],
    exclude: ['node_modules'],
  };
  const settings = { 'package.json': { type: 'module' }, 'tsconfig.json': compiler };
  const made: string[] = [];
  if (!existsSync(modules)) {
    symlinkSync(join(ROOT, 'node_modules'), modules);
    made.push(modules);
  }
  for (const [file, content] of Object.entries(settings)) {
    const path = join(folder, file);
    if (existsSync(path)) continue;
    writeFileSync(path, `${JSON.stringify(content, undefined, 2)}\n`, { flag: 'wx' });
    made.push(path);
  }
  return made;
}

function readArgs(args: readonly string[]) {
  const options = {
    priority: { type: 'string' },
    phase: { type: 'string' },
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
