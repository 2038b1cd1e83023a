import type { Plugin } from '@polygate/plugin-sdk';
import { loaders } from './registry.generated.ts';

/** A plugin was asked for that Polygate does not have. */
export class UnknownPluginError extends Error {
  readonly plugin: string;

  constructor(plugin: string) {
    super(`unknown plugin [${plugin}]`);
    this.name = 'UnknownPluginError';
    this.plugin = plugin;
  }
}

/**
 * Loads the code of these plugins; of the others nothing is loaded. By name, the one that runs
 * first comes first. Rejects with an UnknownPluginError before anything is loaded.
 */
export async function loadPlugins(names: Iterable<string>): Promise<ReadonlyMap<string, Plugin>> {
  const wanted = [...new Set(names)].map((name) => {
    const load = Object.hasOwn(loaders, name) ? loaders[name] : undefined;
    if (load === undefined) throw new UnknownPluginError(name);
    return load;
  });
  const modules = await Promise.all(wanted.map((load) => load()));
  // each plugin's conf and prepared value are its own affair: whoever runs it passes them through
  const plugins = modules.map((module) => module.default as Plugin);
  return new Map(
    plugins
      .sort((a, b) => b.definition.priority - a.definition.priority)
      .map((plugin) => [plugin.definition.name, plugin]),
  );
}
