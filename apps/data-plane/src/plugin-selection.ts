import type { Logger } from '@polygate/chassis';
import type { WatchEvent } from '@polygate/config-store';
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

/** The newest list in the event, when it has a valid one: `[{"name": …, "stream": true}, …]`. */
export function pluginNamesOf(
  event: Exclude<WatchEvent, { kind: 'status' }>,
): readonly string[] | undefined {
  const items =
    event.kind === 'resync'
      ? event.items
      : event.changes.flatMap((change) => (change.kind === 'put' ? change.item : []));
  const value = items.findLast(({ key }) => key === PLUGINS_KEY)?.value;
  if (!Array.isArray(value)) return undefined;
  return (value as unknown[]).flatMap((entry) => {
    if (typeof entry !== 'object' || entry === null) return [];
    const { name, stream } = entry as { name?: unknown; stream?: unknown };
    return typeof name === 'string' && stream !== true ? name : [];
  });
}
