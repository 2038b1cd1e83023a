import { compileSchema, ConfigError } from '@polygate/model';
import type { GatewaySettings, PluginDefinition } from '@polygate/plugin-sdk';
import { memorySettings } from './memory-settings.ts';

/**
 * A conf as the gateway would hand it to the plugin: checked, with defaults filled in. Throws the
 * ConfigError that the Admin API would answer with.
 * `plugins`: those that the conf may name.
 */
export function validConf<Conf>(
  definition: PluginDefinition<Conf>,
  conf: unknown,
  plugins: ReadonlyMap<string, PluginDefinition> = new Map(),
  settings: GatewaySettings = memorySettings(),
): Conf {
  const filled = structuredClone(conf);
  try {
    compileSchema(definition.schema)(filled);
  } catch (error) {
    if (!(error instanceof ConfigError) || definition.restate === undefined) throw error;
    const refused = filled as Readonly<Record<string, unknown>>;
    throw new ConfigError(definition.restate(refused, error.message));
  }
  definition.check?.(filled as Conf, plugins, settings);
  return filled as Conf;
}
