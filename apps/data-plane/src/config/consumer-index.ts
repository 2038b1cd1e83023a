import type { ConsumerResource } from '@polygate/model';
import type { ConsumerMatch, PluginDefinition } from '@polygate/plugin-sdk';
import type { ConsumerIndex } from './config-snapshot.ts';
import type { ItemOf, ItemStore } from './item-store.ts';

/** The objects whose plugins a consumer brings. */
export interface ConsumerLayers {
  readonly consumer: ItemOf<'consumers'>;
  /** Undefined without a group, and when the group is missing. */
  readonly group: ItemOf<'consumer_groups'> | undefined;
}

/**
 * Consumers by the key of each auth plugin and by name. Where two consumers share a key the one
 * created first has it: the Admin API refuses the second, but it can get into the store otherwise.
 * `layers` is told what each match stands for.
 */
export function buildConsumerIndex(
  items: ItemStore,
  definitions: ReadonlyMap<string, PluginDefinition>,
  layers: WeakMap<ConsumerMatch, ConsumerLayers>,
): ConsumerIndex {
  const byPlugin = new Map<string, Map<string, ConsumerMatch>>();
  const byName = new Map<string, ConsumerMatch>();
  const ordered = items.all('consumers').sort((a, b) => a.createdIndex - b.createdIndex);
  for (const consumer of ordered) {
    const { value } = consumer;
    const group = items.get('consumer_groups', value.group_id);
    const match = (authConf: Readonly<Record<string, unknown>>): ConsumerMatch => {
      const made = matchOf(value, authConf);
      layers.set(made, { consumer, group });
      return made;
    };
    byName.set(value.username, match({}));
    for (const [plugin, conf] of Object.entries(value.plugins ?? {})) {
      const keyField = definitions.get(plugin)?.consumerKey;
      if (keyField === undefined || conf._meta?.disable === true) continue;
      const key = conf[keyField];
      if (typeof key !== 'string') continue;
      const keys = byPlugin.get(plugin) ?? new Map<string, ConsumerMatch>();
      if (!keys.has(key)) keys.set(key, match(conf));
      byPlugin.set(plugin, keys);
    }
  }
  return {
    findByKey: (plugin, key) => byPlugin.get(plugin)?.get(key),
    findByName: (username) => byName.get(username),
  };
}

function matchOf(
  consumer: ConsumerResource,
  authConf: Readonly<Record<string, unknown>>,
): ConsumerMatch {
  return {
    username: consumer.username,
    groupId: consumer.group_id === undefined ? undefined : String(consumer.group_id),
    labels: consumer.labels,
    customId: consumer.labels?.['custom_id'],
    credentialId: undefined,
    authConf,
  };
}
