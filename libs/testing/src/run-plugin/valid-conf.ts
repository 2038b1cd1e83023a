import { compileSchema } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

/**
 * A conf as the gateway would hand it to the plugin: checked, with defaults filled in. Throws the
 * ConfigError that the Admin API would answer with.
 * `plugins`: those that the conf may name.
 */
export function validConf<Conf>(
  definition: PluginDefinition<Conf>,
  conf: unknown,
  plugins: ReadonlyMap<string, PluginDefinition> = new Map(),
): Conf {
  const filled = structuredClone(conf);
  compileSchema(definition.schema)(filled);
  definition.check?.(filled as Conf, plugins);
  return filled as Conf;
}
