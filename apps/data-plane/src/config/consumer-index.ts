import type { ConsumerResource, PluginConf, PluginConfs } from '@polygate/model';
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
 * Consumers by the key of each auth plugin, their own or one of their credentials', and by name.
 * Where two share a key the one created first has it: the Admin API refuses the second, but it can
 * get into the store otherwise. Of a plugin that lets them share keys the one created last has it, as
 * in APISIX. `layers` is told what each match stands for.
 */
export function buildConsumerIndex(
  items: ItemStore,
  definitions: ReadonlyMap<string, PluginDefinition>,
  layers: WeakMap<ConsumerMatch, ConsumerLayers>,
): ConsumerIndex {
  const byPlugin = new Map<string, Map<string, ConsumerMatch>>();
  const byName = new Map<string, ConsumerMatch>();
  const match = (holder: KeyHolder, authConf: PluginConf | undefined): ConsumerMatch => {
    const { consumer, credentialId } = holder;
    const made = matchOf(consumer.value, credentialId, authConf ?? {});
    layers.set(made, { consumer, group: items.get('consumer_groups', consumer.value.group_id) });
    return made;
  };
  for (const holder of keyHolders(items)) {
    const { username } = holder.consumer.value;
    if (holder.credentialId === undefined) byName.set(username, match(holder, undefined));
    for (const [plugin, conf] of Object.entries(holder.plugins)) {
      const { consumerKey: keyField, sharesConsumerKeys } = definitions.get(plugin) ?? {};
      if (keyField === undefined || conf._meta?.disable === true) continue;
      const key = conf[keyField];
      if (typeof key !== 'string') continue;
      const keys = byPlugin.get(plugin) ?? new Map<string, ConsumerMatch>();
      if (sharesConsumerKeys === true || !keys.has(key)) keys.set(key, match(holder, conf));
      byPlugin.set(plugin, keys);
    }
  }
  return {
    findByKey: (plugin, key) => byPlugin.get(plugin)?.get(key),
    findByName: (username) => byName.get(username),
  };
}

/** A consumer, or one of its credentials. */
interface KeyHolder {
  readonly consumer: ItemOf<'consumers'>;
  /** Undefined: the consumer itself. */
  readonly credentialId: string | undefined;
  readonly plugins: PluginConfs;
}

/** In order of creation. A credential without its consumer authenticates nobody. */
function keyHolders(items: ItemStore): KeyHolder[] {
  const holders = [...items.all('consumers'), ...items.all('credentials')];
  return holders
    .sort((a, b) => a.createdIndex - b.createdIndex)
    .flatMap(({ kind, id, value: { plugins = {} } }) => {
      const [username, , credentialId] = kind === 'credentials' ? id.split('/') : [id];
      const consumer = items.get('consumers', username);
      return consumer === undefined ? [] : { consumer, credentialId, plugins };
    });
}

function matchOf(
  consumer: ConsumerResource,
  credentialId: string | undefined,
  authConf: PluginConf,
): ConsumerMatch {
  return {
    username: consumer.username,
    groupId: consumer.group_id === undefined ? undefined : String(consumer.group_id),
    labels: consumer.labels,
    customId: consumer.labels?.['custom_id'],
    credentialId,
    authConf,
  };
}
