import { registerHooks } from 'node:module';
import type { LoadFnOutput, ModuleFormat } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Plugin, PluginDefinition } from '@polygate/plugin-sdk';
import { checkUserDefinition, checkUserPlugin } from './check-user-plugin.ts';
import type { UserPluginVersion } from './user-plugin-files.ts';

const SDK = '@polygate/plugin-sdk';
/** In the URL of each module of a version: Node keeps a module for as long as the thread lives. */
const QUERY = '?polygate-plugin=';
const IMPORT_TIMEOUT_MS = 5000;

/** The texts of the versions that this thread was asked for, by id. */
const versions = new Map<string, UserPluginVersion['files']>();
let isHooked = false;

/** Loads the code of this version into this thread. Rejects with what is wrong with it. */
export async function importUserPlugin(version: UserPluginVersion): Promise<Plugin> {
  const { default: plugin } = await importModule(version, version.entry);
  return checkUserPlugin(version.name, plugin);
}

/**
 * What there is to know of the plugin besides its code: where it has a `<name>.schema.ts` (or `.js`, …)
 * that is loaded and nothing else.
 */
export async function importUserDefinition(version: UserPluginVersion): Promise<PluginDefinition> {
  const schema = schemaOf(version);
  if (schema === undefined) return (await importUserPlugin(version)).definition;
  const { definition } = await importModule(version, schema);
  return checkUserDefinition(version.name, definition);
}

function schemaOf({ entry, files }: UserPluginVersion): string | undefined {
  const stem = entry.slice(0, entry.lastIndexOf('.'));
  const names = ['.ts', '.mts', '.js', '.mjs'].map((extension) => `${stem}.schema${extension}`);
  return names.find((name) => Object.hasOwn(files, name));
}

async function importModule(
  version: UserPluginVersion,
  url: string,
): Promise<Readonly<Record<string, unknown>>> {
  hookModules();
  versions.set(version.id, version.files);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const reason = `it was not loaded within ${IMPORT_TIMEOUT_MS} ms`;
    timer = setTimeout(() => reject(new Error(reason)), IMPORT_TIMEOUT_MS);
  });
  const imported = import(url + QUERY + version.id) as Promise<Record<string, unknown>>;
  try {
    return await Promise.race([imported, late]);
  } catch (error) {
    throw new Error(describe(error), { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** With file and line, which Node has in the stack only. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [, file, place = ''] =
    /(file:[^\s?]+)\?polygate-plugin=[^\s:)]+((?::\d+){0,2})/.exec(error.stack ?? '') ?? [];
  if (file === undefined) return error.message;
  return `${error.message.replaceAll(/\?polygate-plugin=[\w-]+/g, '')} (${fileURLToPath(file)}${place})`;
}

/**
 * Modules of a version import each other in that version, and the SDK that this process has, wherever
 * they lie. What they import besides is Node's to find.
 */
function hookModules(): void {
  if (isHooked) return;
  isHooked = true;
  registerHooks({
    resolve(specifier, context, next) {
      if (readUrl(specifier) !== undefined) return { url: specifier, shortCircuit: true };
      const parent = readUrl(context.parentURL);
      if (parent === undefined) return next(specifier, context);
      if (specifier === SDK) return next(specifier, { ...context, parentURL: import.meta.url });
      if (!/^(?:\.{0,2}\/|file:)/.test(specifier)) return next(specifier, context);
      const { href } = new URL(specifier, parent.href);
      if (!Object.hasOwn(parent.files, href)) return next(specifier, context);
      return { url: href + QUERY + parent.id, shortCircuit: true };
    },
    load(url, context, next): LoadFnOutput {
      const module = readUrl(url);
      const source = module?.files[module.href];
      if (module === undefined || source === undefined) return next(url, context);
      return { format: formatOf(module.href), source, shortCircuit: true };
    },
  });
}

interface UserModule {
  readonly href: string;
  readonly id: string;
  readonly files: UserPluginVersion['files'];
}

function readUrl(url: string | undefined): UserModule | undefined {
  const at = url?.lastIndexOf(QUERY) ?? -1;
  if (url === undefined || at === -1) return undefined;
  const id = url.slice(at + QUERY.length);
  const files = versions.get(id);
  return files && { href: url.slice(0, at), id, files };
}

/** `.js` is an ES module here, whatever a package.json says. */
function formatOf(href: string): ModuleFormat {
  if (href.endsWith('.json')) return 'json';
  return href.endsWith('ts') ? 'module-typescript' : 'module';
}
