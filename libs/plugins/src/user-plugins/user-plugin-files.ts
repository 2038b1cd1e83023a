import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
const NAME_LENGTH_MAX = 64;
const CODE = ['.ts', '.mts', '.js', '.mjs'];
const PLUGINS_MAX = 256;
const FILES_MAX = 200;
const DEPTH_MAX = 8;
const BYTES_MAX = 4 * 1024 * 1024;

/** Where the files of a plugin lie, and what they looked like. */
export interface ListedPlugin {
  readonly name: string;
  /** Of the code file. */
  readonly path: string;
  /** Of all its files: another text when one of them was changed. */
  readonly signature: string;
  readonly files: readonly string[];
  /** Why it cannot be read. */
  readonly problem?: string;
}

/** One state of a plugin's files. Data: threads are handed it and run these bytes, and no others. */
export interface UserPluginVersion {
  readonly name: string;
  /** Names this state: the same for the same files. */
  readonly id: string;
  /** URL of the code file. */
  readonly entry: string;
  /** Text by URL. */
  readonly files: Readonly<Record<string, string>>;
  /** Set: there is no version that works, and what would run it refuses its requests. */
  readonly problem?: string;
}

/**
 * The plugins in a folder: each `<name>/<name>.ts` with everything in its folder, and each
 * `<name>.ts`; `.mts`, `.js` and `.mjs` alike. Tests, dot files and node_modules are no part of them.
 * Rejects with the error of the file system where the folder cannot be read.
 */
export async function listPlugins(dir: string): Promise<ListedPlugin[]> {
  const listed: ListedPlugin[] = [];
  for (const entry of (await readdir(dir)).sort()) {
    const path = join(dir, entry);
    const about = await stat(path).catch(() => undefined);
    const plugin = about?.isDirectory() ? await inFolder(entry, path) : inFile(entry, path, about);
    if (plugin !== undefined) listed.push(plugin);
    if (listed.length === PLUGINS_MAX) break;
  }
  return listed;
}

async function inFolder(name: string, folder: string): Promise<ListedPlugin | undefined> {
  if (!isName(name)) return undefined;
  const codes = CODE.map((extension) => join(folder, name + extension));
  const found = new Map<string, Stats>();
  await walk(folder, DEPTH_MAX, found);
  const [path, other] = codes.filter((code) => found.has(code));
  if (path === undefined) return undefined;
  const files = [...found.keys()].sort();
  const signature = files.map((file) => mark(file, found.get(file))).join('\n');
  const listed = { name, path, files, signature };
  if (other !== undefined) return { ...listed, problem: `${path} and ${other} are both its code` };
  if (files.length > FILES_MAX) return { ...listed, problem: `over ${FILES_MAX} files` };
  return listed;
}

function inFile(entry: string, path: string, about: Stats | undefined): ListedPlugin | undefined {
  const extension = extname(entry);
  const name = entry.slice(0, entry.length - extension.length);
  if (about?.isFile() !== true || !CODE.includes(extension) || !isName(name)) return undefined;
  return { name, path, files: [path], signature: mark(path, about) };
}

/** Links are followed, as folders mounted from a ConfigMap are made of them. */
async function walk(folder: string, depth: number, found: Map<string, Stats>): Promise<void> {
  for (const entry of await readdir(folder).catch(() => [])) {
    if (entry.startsWith('.') || entry === 'node_modules' || found.size > FILES_MAX) continue;
    const path = join(folder, entry);
    const about = await stat(path).catch(() => undefined);
    if (about?.isDirectory() && depth > 1) await walk(path, depth - 1, found);
    else if (about?.isFile() && isSource(entry)) found.set(path, about);
  }
}

/**
 * Reads them. Rejects with a reason where they are more than a plugin may be, or cannot be read.
 */
export async function readPlugin(listed: ListedPlugin): Promise<UserPluginVersion> {
  if (listed.problem !== undefined) throw new Error(listed.problem);
  const hash = createHash('sha256');
  const files: Record<string, string> = {};
  let bytes = 0;
  for (const path of listed.files) {
    const text = await readFile(path, 'utf8');
    bytes += text.length;
    if (bytes > BYTES_MAX) throw new Error(`over ${BYTES_MAX} bytes of source`);
    files[pathToFileURL(path).href] = text;
    hash.update(`${path}\0${text.length}\0${text}`);
  }
  const id = `${listed.name}-${hash.digest('hex').slice(0, 16)}`;
  return { name: listed.name, id, entry: pathToFileURL(listed.path).href, files };
}

function isName(name: string): boolean {
  return name.length <= NAME_LENGTH_MAX && NAME.test(name);
}

function isSource(file: string): boolean {
  return [...CODE, '.json'].includes(extname(file)) && !/\.(?:test|d)\.[a-z]+$/.test(file);
}

function mark(path: string, about: Stats | undefined): string {
  return [path, about?.mtimeMs, about?.size, about?.ino].join(' ');
}
