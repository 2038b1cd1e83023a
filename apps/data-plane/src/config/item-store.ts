import type { PluginConf, ResourceKind, ResourceTypes } from '@polygate/model';
import type { ConfigItem, ConfigUpdate } from './config-item.ts';

/** Ids that came, changed or went, by kind. */
export type ChangedIds = ReadonlyMap<ResourceKind, ReadonlySet<string>>;

/** An item with the type of its kind. */
export type ItemOf<K extends ResourceKind> = Omit<ConfigItem, 'value'> & {
  readonly value: ResourceTypes[K];
};

/** The items a worker serves. An item's object is replaced when it changes: identity is version. */
export class ItemStore {
  readonly #items = new Map<ResourceKind, Map<string, ConfigItem>>();
  #gone: ConfigItem[] = [];

  get<K extends ResourceKind>(kind: K, id: string | number | undefined): ItemOf<K> | undefined {
    if (id === undefined) return undefined;
    return this.#items.get(kind)?.get(String(id)) as ItemOf<K> | undefined;
  }

  all<K extends ResourceKind>(kind: K): ItemOf<K>[] {
    return [...(this.#items.get(kind)?.values() ?? [])] as unknown as ItemOf<K>[];
  }

  has(item: ConfigItem): boolean {
    return this.#items.get(item.kind)?.get(item.id) === item;
  }

  /** What was replaced or deleted since the last time it was asked. */
  takeGone(): readonly ConfigItem[] {
    const gone = this.#gone;
    this.#gone = [];
    return gone;
  }

  apply(update: ConfigUpdate): ChangedIds {
    const changed = new Map<ResourceKind, Set<string>>();
    const note = (kind: ResourceKind, id: string): void => {
      const ids = changed.get(kind);
      if (ids === undefined) changed.set(kind, new Set([id]));
      else ids.add(id);
    };
    if (update.reset) this.#reset(update.puts, note);
    else for (const put of update.puts) this.#put(put, note);
    for (const { kind, id } of update.deletes) {
      const before = this.#items.get(kind)?.get(id);
      if (before === undefined) continue;
      this.#items.get(kind)?.delete(id);
      this.#gone.push(before);
      note(kind, id);
    }
    return changed;
  }

  #put(item: ConfigItem, note: (kind: ResourceKind, id: string) => void): void {
    const items = this.#items.get(item.kind);
    const before = items?.get(item.id);
    if (before !== undefined) this.#gone.push(before);
    if (items === undefined) this.#items.set(item.kind, new Map([[item.id, item]]));
    else items.set(item.id, item);
    note(item.kind, item.id);
  }

  /** An unchanged item keeps its identity, and with it all that was prepared from it. */
  #reset(puts: readonly ConfigItem[], note: (kind: ResourceKind, id: string) => void): void {
    const known = new Map(this.#items);
    this.#items.clear();
    for (const put of puts) {
      const before = known.get(put.kind)?.get(put.id);
      known.get(put.kind)?.delete(put.id);
      if (before !== undefined && isSame(before, put)) {
        this.#put(before, () => undefined);
        continue;
      }
      if (before !== undefined) this.#gone.push(before);
      this.#put(put, note);
    }
    for (const [kind, items] of known) {
      for (const [id, item] of items) {
        this.#gone.push(item);
        note(kind, id);
      }
    }
  }
}

/** Defaults filled in may differ between two validations of one version, so the index is not enough. */
function isSame(a: ConfigItem, b: ConfigItem): boolean {
  return a.modifiedIndex === b.modifiedIndex && JSON.stringify(a.value) === JSON.stringify(b.value);
}

/** The route's own, or else that of its plugin config or of its service. */
export function confOnRoute(
  items: ItemStore,
  routeId: string,
  plugin: string,
): PluginConf | undefined {
  const route = items.get('routes', routeId)?.value;
  const holders = [
    route,
    items.get('plugin_configs', route?.plugin_config_id)?.value,
    items.get('services', route?.service_id)?.value,
  ];
  return holders.map((holder) => holder?.plugins?.[plugin]).find((conf) => conf !== undefined);
}
