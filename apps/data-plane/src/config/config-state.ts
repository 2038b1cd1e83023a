import { RESOURCE_KINDS, validateResource } from '@polygate/model';
import type { ResourceKind } from '@polygate/model';
import type { Change, StoredItem, WatchEvent } from '@polygate/config-store';
import type { Logger, PluginDefinition } from '@polygate/plugin-sdk';
import type { ConfigItem, ConfigUpdate } from './config-item.ts';

/** A stored version that breaks a rule. */
export interface RejectedItem {
  readonly key: string;
  readonly revision: number;
  readonly reason: string;
  readonly keepsOlderVersion: boolean;
}

interface Known {
  /** The version served; undefined while no valid one was seen. */
  good: ConfigItem | undefined;
  /** The newest version as stored: validated anew when the plugin set changes. */
  newest: StoredItem;
}

/**
 * What the store holds, validated. An invalid item keeps its last good version; it is logged once,
 * with key and reason, and listed until a valid version or its deletion comes.
 */
export class ConfigState {
  readonly #known = new Map<string, Known>();
  readonly #rejected = new Map<string, RejectedItem>();
  readonly #warnedPlugins = new Set<string>();
  readonly #log: Logger;
  #definitions: ReadonlyMap<string, PluginDefinition>;
  #revision = 0;

  constructor(definitions: ReadonlyMap<string, PluginDefinition>, log: Logger) {
    this.#definitions = definitions;
    this.#log = log;
  }

  get revision(): number {
    return this.#revision;
  }

  get rejected(): readonly RejectedItem[] {
    return [...this.#rejected.values()];
  }

  /** The update for the workers. */
  apply(event: Exclude<WatchEvent, { kind: 'status' }>): ConfigUpdate {
    this.#revision = event.revision;
    return event.kind === 'resync' ? this.#resync(event.items) : this.#change(event.changes);
  }

  /** Validates everything anew, since plugins that were unknown may be known now, and vice versa. */
  selectPlugins(definitions: ReadonlyMap<string, PluginDefinition>): ConfigUpdate {
    this.#definitions = definitions;
    this.#warnedPlugins.clear();
    const items = [...this.#known.values()].map(({ newest }) => newest);
    return this.#resync(items);
  }

  /** All that is served, for a worker that knows nothing. */
  full(): ConfigUpdate {
    const puts = [...this.#known.values()].flatMap(({ good }) => good ?? []);
    return { revision: this.#revision, reset: true, puts, deletes: [] };
  }

  #resync(items: readonly StoredItem[]): ConfigUpdate {
    const keys = new Set(items.map(({ key }) => key));
    for (const key of this.#known.keys()) if (!keys.has(key)) this.#forget(key);
    for (const item of items) this.#put(item);
    return this.full();
  }

  #change(changes: readonly Change[]): ConfigUpdate {
    const puts = new Map<string, ConfigItem>();
    const deletes = new Map<string, { kind: ResourceKind; id: string }>();
    for (const change of changes) {
      if (change.kind === 'put') {
        const item = this.#put(change.item);
        if (item === undefined) continue;
        puts.set(change.item.key, item);
        deletes.delete(change.item.key);
      } else {
        const address = parseKey(change.key);
        if (address === undefined || !this.#forget(change.key)) continue;
        puts.delete(change.key);
        deletes.set(change.key, address);
      }
    }
    return {
      revision: this.#revision,
      reset: false,
      puts: [...puts.values()],
      deletes: [...deletes.values()],
    };
  }

  /** The validated item, when this version is to be served. */
  #put(item: StoredItem): ConfigItem | undefined {
    const address = parseKey(item.key);
    if (address === undefined) return undefined;
    const known = this.#known.get(item.key);
    try {
      const good = this.#validate(address, item);
      this.#known.set(item.key, { good, newest: item });
      this.#rejected.delete(item.key);
      return good;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const keepsOlderVersion = known?.good !== undefined;
      const before = this.#rejected.get(item.key);
      this.#known.set(item.key, { good: known?.good, newest: item });
      this.#rejected.set(item.key, {
        key: item.key,
        revision: item.modifiedIndex,
        reason,
        keepsOlderVersion,
      });
      if (before?.revision !== item.modifiedIndex || before.reason !== reason) {
        this.#log.error(
          `failed to check ${item.key} of revision ${item.modifiedIndex}: ${reason}; ` +
            (keepsOlderVersion ? 'its last good version stays' : 'it is left out'),
        );
      }
      return undefined;
    }
  }

  #validate({ kind, id }: { kind: ResourceKind; id: string }, item: StoredItem): ConfigItem {
    if (item.invalid !== undefined) throw new Error(item.invalid);
    const { value, skippedPlugins } = validateResource(kind, item.value, {
      plugins: this.#definitions,
      unknownPlugins: 'skip',
      pluginName: id,
    });
    for (const name of skippedPlugins) {
      if (this.#warnedPlugins.has(name)) continue;
      this.#warnedPlugins.add(name);
      this.#log.warn(`plugin [${name}] is not enabled: ${item.key} is served without it`);
    }
    const { createdIndex, modifiedIndex } = item;
    return { kind, id, value, createdIndex, modifiedIndex };
  }

  #forget(key: string): boolean {
    this.#rejected.delete(key);
    return this.#known.delete(key);
  }
}

/** `/routes/1`; undefined for what is no object of a kind served here. */
function parseKey(key: string): { kind: ResourceKind; id: string } | undefined {
  const [, kind, id, ...more] = key.split('/');
  if (id === undefined || id === '' || more.length > 0) return undefined;
  return isKind(kind) ? { kind, id } : undefined;
}

function isKind(kind: string | undefined): kind is ResourceKind {
  return (RESOURCE_KINDS as readonly (string | undefined)[]).includes(kind);
}
