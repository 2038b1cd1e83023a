import { decryptResource, RESOURCE_KINDS, validateResource } from '@polygate/model';
import type { DataEncryption, ResourceKind } from '@polygate/model';
import type { Change, StoredItem, WatchEvent } from '@polygate/config-store';
import type { Logger, PluginDefinition } from '@polygate/plugin-sdk';
import type { ConfigItem, ConfigUpdate } from './config-item.ts';
import { resolveItem } from './secrets/resolve-item.ts';
import type { ResolveReference } from './secrets/resolve-references.ts';

export interface ConfigStateOptions {
  /** Default: nothing is encrypted. */
  readonly encryption?: DataEncryption;
  /** Default: references to secrets stay as they are. */
  readonly resolve?: ResolveReference;
  /** What becomes of an object that has a plugin which is not enabled. Default: served without it. */
  readonly unknownPlugins?: 'reject' | 'skip';
}

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
  /** The same, as stored. */
  goodStored: StoredItem | undefined;
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
  /** The values of served items before their references were resolved. */
  readonly #written = new WeakMap<ConfigItem, unknown>();
  readonly #log: Logger;
  readonly #encryption: DataEncryption;
  readonly #resolve: ResolveReference | undefined;
  readonly #unknownPlugins: 'reject' | 'skip';
  #definitions: ReadonlyMap<string, PluginDefinition>;
  #revision = 0;

  constructor(
    definitions: ReadonlyMap<string, PluginDefinition>,
    log: Logger,
    { encryption, resolve, unknownPlugins = 'skip' }: ConfigStateOptions = {},
  ) {
    this.#definitions = definitions;
    this.#log = log;
    this.#encryption = encryption ?? { enabled: false, keyring: [] };
    this.#resolve = resolve;
    this.#unknownPlugins = unknownPlugins;
  }

  get revision(): number {
    return this.#revision;
  }

  get rejected(): readonly RejectedItem[] {
    return [...this.#rejected.values()];
  }

  /** The stored version that is served. Undefined where there is none. */
  servedVersion(key: string): StoredItem | undefined {
    return this.#known.get(key)?.goodStored;
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
    return this.revalidate();
  }

  /** Everything anew: what references stand for may have changed. */
  revalidate(): ConfigUpdate {
    return this.#resync([...this.#known.values()].map(({ newest }) => newest));
  }

  /** All that is served, for a worker that knows nothing. */
  full(): ConfigUpdate {
    const puts = [...this.#known.values()].flatMap(({ good }) => good ?? []);
    return { revision: this.#revision, reset: true, puts, deletes: [] };
  }

  /** Of each kind that there is something of: the newest revision among what is served. */
  newestRevisions(): ReadonlyMap<ResourceKind, number> {
    const newest = new Map<ResourceKind, number>();
    for (const { good } of this.#known.values()) {
      if (good === undefined) continue;
      newest.set(good.kind, Math.max(newest.get(good.kind) ?? 0, good.modifiedIndex));
    }
    return newest;
  }

  /** All that is served, but with references to secrets as they were written: to be looked at. */
  written(): readonly ConfigItem[] {
    return this.full().puts.map((item) => ({ ...item, value: this.#written.get(item) }));
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
      this.#known.set(item.key, { good, goodStored: item, newest: item });
      this.#rejected.delete(item.key);
      return good;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const keepsOlderVersion = known?.good !== undefined;
      const before = this.#rejected.get(item.key);
      this.#known.set(item.key, {
        good: known?.good,
        goodStored: known?.goodStored,
        newest: item,
      });
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
    const { value, skippedPlugins } = validateResource(kind, this.#decrypt(kind, id, item), {
      plugins: this.#definitions,
      // metadata of a plugin that is not enabled wait for it: apisix/plugin.lua, check_plugin_metadata
      unknownPlugins: kind === 'plugin_metadata' ? 'skip' : this.#unknownPlugins,
      pluginName: id,
      isStored: true,
    });
    for (const name of skippedPlugins) {
      if (this.#warnedPlugins.has(name)) continue;
      this.#warnedPlugins.add(name);
      this.#log.warn(`plugin [${name}] is not enabled: ${item.key} is served without it`);
    }
    const { key, createdIndex, modifiedIndex } = item;
    const resolved = this.#resolveReferences({ kind, key, value });
    const served: ConfigItem = {
      ...{ kind, id, value: resolved, createdIndex, modifiedIndex },
      ...(resolved !== value && { hasSecrets: true as const }),
    };
    this.#written.set(served, value);
    return served;
  }

  #decrypt(kind: ResourceKind, id: string, item: StoredItem): unknown {
    const { value, failed } = decryptResource(kind, item.value, {
      plugins: this.#definitions,
      encryption: this.#encryption,
      name: id,
    });
    if (failed.length > 0) {
      this.#log.info(`no key of the keyring decrypts ${failed.join(', ')} of ${item.key}`);
    }
    return value;
  }

  #resolveReferences<T>(item: {
    readonly kind: string;
    readonly key: string;
    readonly value: T;
  }): T {
    if (this.#resolve === undefined) return item.value;
    return resolveItem(item, {
      resolve: this.#resolve,
      plugins: this.#definitions,
      log: this.#log,
    });
  }

  #forget(key: string): boolean {
    this.#rejected.delete(key);
    return this.#known.delete(key);
  }
}

/** Kinds that the workers have no use for yet. */
const NOT_SERVED: readonly string[] = ['secrets', 'stream_routes'];
/** Kinds of objects that stand below another one, by the kind of that one. */
const INNER_KINDS: Readonly<Record<string, ResourceKind>> = {
  consumers: 'credentials',
  services: 'graphql_cost_decorations',
};

/**
 * `/routes/1`, or `/consumers/jack/credentials/1`, whose id here is `jack/credentials/1`, as no two
 * consumers share it (decorations of services likewise); undefined for what is no object of a kind
 * served here.
 */
function parseKey(key: string): { kind: ResourceKind; id: string } | undefined {
  const [, kind, id, ...more] = key.split('/');
  if (id === undefined || id === '') return undefined;
  if (more.length === 0) return isServed(kind) ? { kind, id } : undefined;
  const [collection, innerId, ...rest] = more;
  const inner = INNER_KINDS[kind ?? ''];
  if (inner === undefined || collection !== inner || rest.length > 0) return undefined;
  return innerId ? { kind: inner, id: `${id}/${inner}/${innerId}` } : undefined;
}

function isServed(kind: string | undefined): kind is ResourceKind {
  return (
    RESOURCE_KINDS.some((one) => one === kind && !Object.values(INNER_KINDS).includes(one)) &&
    !NOT_SERVED.includes(kind ?? '')
  );
}
