import type { Plugin } from '@polygate/plugin-sdk';
import { loaders } from './registry.generated.ts';
import { standInPlugin } from './user-plugins/stand-in-plugin.ts';
import type { UserPluginVersion } from './user-plugins/user-plugin-files.ts';
import { importUserPlugin } from './user-plugins/user-plugin-modules.ts';

/** A plugin was asked for that Polygate does not have. */
export class UnknownPluginError extends Error {
  readonly plugin: string;

  constructor(plugin: string) {
    super(`unknown plugin [${plugin}]`);
    this.name = 'UnknownPluginError';
    this.plugin = plugin;
  }
}

/** Beside the plugins that ship with Polygate, which take precedence. */
export interface UserPluginVersions {
  readonly versions: ReadonlyMap<string, UserPluginVersion>;
  /** Told of each that this thread cannot load, though another one could. */
  readonly onProblem: (message: string) => void;
}

/** Of users, by name: what this thread loaded last. */
const lastGood = new Map<string, Plugin>();

/**
 * Loads the code of these plugins; of the others nothing is loaded. By name, the one that runs
 * first comes first. Rejects with an UnknownPluginError before anything is loaded. A user's plugin that
 * cannot be loaded is taken in the version that this thread had, or refuses its requests.
 */
export async function loadPlugins(
  names: Iterable<string>,
  user?: UserPluginVersions,
): Promise<ReadonlyMap<string, Plugin>> {
  const wanted = [...new Set(names)].map((name) => {
    if (Object.hasOwn(loaders, name)) return loadOurs(name);
    const version = user?.versions.get(name);
    if (version === undefined) throw new UnknownPluginError(name);
    return () => loadUsers(version, user?.onProblem);
  });
  const plugins = await Promise.all(wanted.map((load) => load()));
  return new Map(
    plugins
      .sort((a, b) => b.definition.priority - a.definition.priority)
      .map((plugin) => [plugin.definition.name, plugin]),
  );
}

// each plugin's conf and prepared value are its own affair: whoever runs it passes them through
function loadOurs(name: string): () => Promise<Plugin> {
  return async () => (await loaders[name]?.())?.default as Plugin;
}

async function loadUsers(
  version: UserPluginVersion,
  onProblem?: (message: string) => void,
): Promise<Plugin> {
  const { name, problem } = version;
  if (problem !== undefined) return standInPlugin(name, problem);
  try {
    const plugin = await importUserPlugin(version);
    lastGood.set(name, plugin);
    return plugin;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    onProblem?.(`user plugin [${name}] cannot be loaded in this thread: ${reason}`);
    return lastGood.get(name) ?? standInPlugin(name, reason);
  }
}
