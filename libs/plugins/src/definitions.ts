import type { PluginDefinition } from '@polygate/plugin-sdk';
import { definitions } from './definitions.generated.ts';

/** Every plugin that ships with Polygate by name; the one that runs first comes first. */
export const PLUGIN_DEFINITIONS: ReadonlyMap<string, PluginDefinition> = new Map(
  [...definitions]
    .sort((a, b) => b.priority - a.priority)
    .map((definition) => [definition.name, definition]),
);
