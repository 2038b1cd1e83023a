import type { GatewaySettings } from './gateway-settings.ts';
import type { PluginDefinition } from './plugin.ts';

/** The same definitions, whose checks know what the configuration file says. */
export function configuredDefinitions(
  definitions: ReadonlyMap<string, PluginDefinition>,
  settings: GatewaySettings,
): ReadonlyMap<string, PluginDefinition> {
  return new Map([...definitions].map(([name, one]) => [name, configured(one, settings)]));
}

function configured(definition: PluginDefinition, settings: GatewaySettings): PluginDefinition {
  if (definition.check === undefined) return definition;
  return {
    ...definition,
    check: (conf, plugins) => definition.check?.(conf, plugins, settings),
  };
}
