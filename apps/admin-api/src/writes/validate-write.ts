import { ConfigError, type Keyring, type PluginSchemas, validateResource } from '@polygate/model';
import type { JsonObject } from '../json-object.ts';
import type { Definitions, PluginSet } from '../plugins/plugin-set.ts';
import type { Resource } from '../resources/resource.ts';

/** What of the configuration file decides on what may be written. */
export interface WriteRules {
  readonly keyring: Keyring;
  /** Names in `xrpc.protocols`. */
  readonly streamProtocols: ReadonlySet<string>;
}

interface Write {
  /** Of the path or the body; undefined for a POST. */
  readonly id: string | undefined;
  readonly value: JsonObject;
  readonly plugins: PluginSet;
  /** Also of plugins that are not enabled: their metadata may be written all the same. */
  readonly definitions: Definitions;
  readonly rules: WriteRules;
}

/**
 * Throws a ConfigError with the text of the refusal; gives warnings about what is accepted although
 * it breaks a rule. The value stays as it is: what is stored is what the client sent, without
 * defaults, as in check_conf of apisix/admin/resource.lua.
 */
export function validateWrite(resource: Resource, write: Write): readonly string[] {
  const { id, value, plugins, definitions, rules } = write;
  const isMetadata = resource.idSource === 'name';
  if (isMetadata && id === undefined) throw new ConfigError('missing plugin name');
  const { warnings } = validateResource(resource.kind, value, {
    ...rules,
    plugins: pluginsFor(resource, plugins, definitions),
    unknownPlugins: 'reject',
    ...(resource.kind === 'secrets' && id !== undefined && { secretId: id }),
    ...(isMetadata && id !== undefined && { pluginName: id }),
  });
  if (resource.idSource === 'username' && id !== undefined && id !== value['username']) {
    throw new ConfigError('wrong username');
  }
  return warnings;
}

function pluginsFor(
  { kind }: Resource,
  plugins: PluginSet,
  definitions: Definitions,
): ReadonlyMap<string, PluginSchemas> {
  if (kind === 'plugin_metadata') return definitions;
  return kind === 'stream_routes' ? plugins.enabledForStreams : plugins.enabled;
}
