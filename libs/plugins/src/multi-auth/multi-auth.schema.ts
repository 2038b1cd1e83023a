import { compileSchema, ConfigError } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface MultiAuthConf {
  /** Each names plugins with their confs; APISIX's schema says nothing more of them. */
  readonly auth_plugins: readonly Readonly<Record<string, unknown>>[];
}

/** Source: apisix/plugins/multi-auth.lua. */
export const definition: PluginDefinition<MultiAuthConf> = {
  name: 'multi-auth',
  version: 0.1,
  priority: 2600,
  type: 'auth',
  schema: {
    type: 'object',
    title: 'work with route or service object',
    properties: { auth_plugins: { type: 'array', minItems: 2 } },
    required: ['auth_plugins'],
  },
  check({ auth_plugins: entries }, plugins) {
    for (const [name, conf] of entries.flatMap(confsOf)) {
      const plugin = plugins.get(name);
      if (plugin === undefined) throw new ConfigError(`${name} plugin did not found`);
      if (plugin.type !== 'auth') throw new ConfigError(`${name} plugin is not supported`);
      try {
        compileSchema(plugin.schema)(conf);
        plugin.check?.(conf, plugins);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        throw new ConfigError(`plugin ${name} check schema failed: ${error.message}`);
      }
    }
  },
};

function confsOf(entry: unknown): [string, unknown][] {
  if (typeof entry === 'object' && entry !== null) return Object.entries(entry);
  throw new ConfigError('property "auth_plugins" validation failed: wrong type: expected object');
}
