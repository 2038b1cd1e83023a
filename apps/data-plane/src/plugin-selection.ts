import type { Logger } from '@polygate/chassis';
import type { WatchEvent } from '@polygate/config-store';
import { configuredDefinitions } from '@polygate/plugin-sdk';
import type { GatewaySettings, PluginDefinition } from '@polygate/plugin-sdk';
import { PLUGIN_DEFINITIONS } from '@polygate/plugins/definitions';

/** The store's key with the list that the Admin API writes when plugins are reloaded. */
const PLUGINS_KEY = '/plugins';

/**
 * The plugins to run, by priority. Without a list: all that are on by default. Names that Polygate
 * does not have are left out; APISIX's own list names many, so one line says so.
 */
export function selectPluginNames(wanted: readonly string[] | undefined, log: Logger): string[] {
  const all = [...PLUGIN_DEFINITIONS.values()].sort((a, b) => b.priority - a.priority);
  if (wanted === undefined) {
    return all.filter(({ enabledByDefault }) => enabledByDefault !== false).map(({ name }) => name);
  }
  const unknown = wanted.filter((name) => !PLUGIN_DEFINITIONS.has(name));
  if (unknown.length > 0) log.warn(`plugins not known here are left out: ${unknown.join(', ')}`);
  return all.map(({ name }) => name).filter((name) => wanted.includes(name));
}

/**
 * The newest list in the event, `[{"name": …, "stream": true}, …]`. Undefined without one, and for
 * one that breaks a rule: the log says so, and what was selected before stays.
 */
export function pluginNamesOf(
  event: Exclude<WatchEvent, { kind: 'status' }>,
  log: Logger,
): readonly string[] | undefined {
  const items =
    event.kind === 'resync'
      ? event.items
      : event.changes.flatMap((change) => (change.kind === 'put' ? change.item : []));
  const value = items.findLast(({ key }) => key === PLUGINS_KEY)?.value;
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || !value.every(isListedPlugin)) {
    log.error(`failed to check item data of [plugins]: expected a list of {"name", "stream"}`);
    return undefined;
  }
  return value.flatMap(({ name, stream }) => (stream === true ? [] : name));
}

export function definitionsOf(
  names: readonly string[],
  settings: GatewaySettings,
): ReadonlyMap<string, PluginDefinition> {
  const definitions = names.flatMap((name) => {
    const definition = PLUGIN_DEFINITIONS.get(name);
    return definition === undefined ? [] : [[name, definition] as const];
  });
  return configuredDefinitions(new Map(definitions), settings);
}

interface ListedPlugin {
  readonly name: string;
  readonly stream?: boolean;
}

function isListedPlugin(entry: unknown): entry is ListedPlugin {
  if (typeof entry !== 'object' || entry === null) return false;
  const { name, stream } = entry as { name?: unknown; stream?: unknown };
  const isFlag = stream === undefined || typeof stream === 'boolean';
  return typeof name === 'string' && name !== '' && isFlag;
}
