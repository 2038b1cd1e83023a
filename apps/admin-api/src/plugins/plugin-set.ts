import { type StreamPlugin, streamPlugins } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

export type Definitions = ReadonlyMap<string, PluginDefinition>;

/** The lists of the configuration file; `plugins` undefined: whatever its definition enables. */
export interface PluginNames {
  readonly plugins: readonly string[] | undefined;
  readonly streamPlugins: readonly string[];
}

/** The plugins that may be configured now. Replaced as a whole by a reload. */
export interface PluginSet {
  /** Grows with each reload, also over a restart of this process. */
  readonly generation: number;
  readonly enabled: Definitions;
  /** What may stand in a stream route, by priority: these are stored, not run. */
  readonly enabledForStreams: ReadonlyMap<string, StreamPlugin>;
  /** Enabled names by priority, highest first. */
  readonly names: readonly string[];
  /** Listed names that Polygate has no plugin for. */
  readonly unknown: readonly string[];
  /** What `/plugins` in the store tells data planes. */
  readonly stored: readonly StoredPlugin[];
}

export interface StoredPlugin {
  readonly name: string;
  readonly stream?: true;
}

/** Names that no plugin has are left out, as APISIX does with a plugin that it fails to load. */
export function buildPluginSet(
  definitions: Definitions,
  listed: PluginNames,
  generation: number,
): PluginSet {
  const wanted = listed.plugins ?? defaultNames(definitions);
  const enabled = pick(definitions, wanted);
  const byPriority = [...enabled.values()].toSorted((a, b) => b.priority - a.priority);
  return {
    generation,
    enabled,
    enabledForStreams: streamPlugins(listed.streamPlugins, definitions),
    names: byPriority.map(({ name }) => name),
    unknown: wanted.filter((name) => !definitions.has(name)),
    stored: [
      ...wanted.map((name) => ({ name })),
      ...listed.streamPlugins.map((name) => ({ name, stream: true }) as const),
    ],
  };
}

function pick(definitions: Definitions, names: readonly string[]): Definitions {
  const picked = new Map<string, PluginDefinition>();
  for (const name of names) {
    const definition = definitions.get(name);
    if (definition !== undefined) picked.set(name, definition);
  }
  return picked;
}

function defaultNames(definitions: Definitions): string[] {
  return [...definitions.values()]
    .filter(({ enabledByDefault }) => enabledByDefault !== false)
    .map(({ name }) => name);
}
