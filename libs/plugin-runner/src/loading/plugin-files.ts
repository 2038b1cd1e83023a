import { readdir, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { AnyExternalPlugin } from '../external-plugin.ts';
import { PluginSet } from '../plugin-set.ts';

const MODULE = /\.(?:ts|mts|js|mjs)$/;
const NOT_A_PLUGIN = /^[._]|\.d\.m?ts$|\.(?:test|spec|bench)\.[a-z]+$/;
const FILES_MAX = 1_000;

/**
 * The modules that hold plugins. Each place is a file, a folder (its modules, and `index` of its
 * folders; names that begin with a dot or `_`, tests and declarations are left out), or the name of
 * an installed package. In the order of the places, by name within a folder.
 *
 * @throws {Error} for a place where nothing is
 */
export async function pluginFiles(places: readonly string[], cwd: string): Promise<string[]> {
  const found: string[] = [];
  for (const place of places) {
    const path = resolve(cwd, place);
    const stats = await statOf(path);
    if (stats === undefined) found.push(packageFile(place, cwd));
    else if (stats.isDirectory()) found.push(...(await filesOfFolder(path)));
    else found.push(path);
  }
  if (found.length > FILES_MAX) throw new Error(`${found.length} plugin files, over ${FILES_MAX}`);
  return Array.from(new Set(found));
}

/** Those of the places that are folders: a new file there is a new plugin. */
export async function pluginFolders(places: readonly string[], cwd: string): Promise<string[]> {
  const folders: string[] = [];
  for (const place of places) {
    const path = resolve(cwd, place);
    if ((await statOf(path))?.isDirectory() === true) folders.push(path);
  }
  return folders;
}

/**
 * The plugins that files export as default, one or several each. `suffix` goes to the end of the
 * URL of each file.
 *
 * @throws {Error} that names the file, also where what it exports is no plugin
 */
export async function importPlugins(
  files: readonly string[],
  suffix = '',
): Promise<AnyExternalPlugin[]> {
  const plugins: AnyExternalPlugin[] = [];
  for (const file of files) {
    const exported = await defaultExport(file, suffix);
    const several: unknown[] = Array.isArray(exported) ? exported : [exported];
    try {
      new PluginSet(several);
    } catch (cause) {
      const reason = exported === undefined ? 'it has no default export' : messageOf(cause);
      throw new Error(`${file} must export a plugin, or an array of them, as default: ${reason}`);
    }
    plugins.push(...(several as AnyExternalPlugin[]));
  }
  return plugins;
}

async function defaultExport(file: string, suffix: string): Promise<unknown> {
  try {
    const module = (await import(`${pathToFileURL(file).href}${suffix}`)) as { default?: unknown };
    return module.default;
  } catch (cause) {
    throw new Error(`${file} cannot be loaded: ${messageOf(cause)}`, { cause });
  }
}

async function filesOfFolder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const files: string[] = [];
  for (const entry of entries) {
    if (NOT_A_PLUGIN.test(entry.name) || entry.name === 'node_modules') continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const inner = (await readdir(path)).find((name) => /^index\.(?:ts|mts|js|mjs)$/.test(name));
      if (inner !== undefined) files.push(join(path, inner));
    } else if (MODULE.test(entry.name)) files.push(path);
  }
  return files;
}

function packageFile(name: string, cwd: string): string {
  try {
    return createRequire(join(cwd, 'plugins.js')).resolve(name);
  } catch {
    throw new Error(`there is no file, folder or package ${name}`);
  }
}

async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
