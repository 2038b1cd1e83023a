import { compileSchema } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

/**
 * A conf as the gateway would hand it to the plugin: checked, with defaults filled in. Throws the
 * ConfigError that the Admin API would answer with.
 */
export function validConf<Conf>(definition: PluginDefinition<Conf>, conf: unknown): Conf {
  const filled = structuredClone(conf);
  compileSchema(definition.schema)(filled);
  definition.check?.(filled as Conf);
  return filled as Conf;
}
