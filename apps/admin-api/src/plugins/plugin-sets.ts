import type { ConfigStore } from '@polygate/config-store';
import type { Logger } from '@polygate/plugin-sdk';
import type { Written } from '../answer.ts';
import { isJsonObject } from '../json-object.ts';
import type { KnownPlugins } from './known-plugins.ts';
import {
  buildPluginSet,
  type Definitions,
  type PluginNames,
  type PluginSet,
} from './plugin-set.ts';

/** Where data planes read which plugins to run. Source: apisix/admin/init.lua. */
const PLUGINS_KEY = '/plugins';

interface PluginSetsOptions {
  readonly known: Pick<KnownPlugins, 'definitions' | 'refresh'>;
  /** Of the configuration file as it was when the process started. */
  readonly initial: PluginNames;
  /** Reads the configuration file again; rejects when it breaks a rule. */
  readonly load: () => Promise<PluginNames>;
  readonly store: ConfigStore;
  readonly log: Logger;
}

/** Holds the set in use, and replaces it whole or not at all. */
export class PluginSets {
  readonly #options: PluginSetsOptions;
  #listed: PluginNames;
  #current: PluginSet;
  #lastReload: Promise<unknown> = Promise.resolve();
  readonly #listeners = new Set<(set: PluginSet) => void>();

  constructor(options: PluginSetsOptions) {
    this.#options = options;
    this.#listed = options.initial;
    // milliseconds, so that a data plane never sees a generation go back when this process restarts
    this.#current = this.#build(options.initial, Date.now());
  }

  /** Of every plugin that there is, enabled or not. */
  get definitions(): Definitions {
    return this.#options.known.definitions;
  }

  get current(): PluginSet {
    return this.#current;
  }

  /** Called after each reload. */
  onReload(listener: (set: PluginSet) => void): void {
    this.#listeners.add(listener);
  }

  /**
   * Reads the list, writes it to the store, uses it and tells listeners; one reload at a time.
   * Resolves with what it wrote. Rejects, and keeps the set in use, when the file or the store fails.
   */
  reload(): Promise<Written> {
    const reloaded = this.#lastReload.then(() => this.#reload());
    // the next one starts whether this one failed or not; its caller hears of the failure
    this.#lastReload = reloaded.catch(() => undefined);
    return reloaded;
  }

  async #reload(): Promise<Written> {
    const listed = await this.#options.load();
    await this.#options.known.refresh();
    const generation = this.#nextGeneration();
    const next = this.#build(listed, generation);
    const { item, previousIndex } = await this.#options.store.put(PLUGINS_KEY, next.stored);
    this.#listed = listed;
    this.#current = next;
    this.#options.log.info(`reloaded ${next.names.length} plugins, generation ${generation}`);
    for (const listener of this.#listeners) listener(next);
    return {
      key: PLUGINS_KEY,
      revision: item.modifiedIndex,
      previousRevision: previousIndex,
    };
  }

  /**
   * The files of users' plugins have changed. Data planes look at files of their own; the list in the
   * store is corrected where there is one. Never rejects.
   */
  async takeKnown(): Promise<void> {
    this.#current = this.#build(this.#listed, this.#nextGeneration());
    await this.correctStored();
  }

  #nextGeneration(): number {
    return Math.max(Date.now(), this.#current.generation + 1);
  }

  #build(listed: PluginNames, generation: number): PluginSet {
    const set = buildPluginSet(this.definitions, listed, generation);
    if (set.unknown.length > 0) {
      this.#options.log.warn(`plugins that are listed but unknown: ${set.unknown.join(', ')}`);
    }
    return set;
  }

  /**
   * Corrects a list that an earlier process left in the store. Writes nothing where there is none:
   * then data planes follow their own file. Never rejects.
   */
  async correctStored(): Promise<void> {
    try {
      await this.#correctStored();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#options.log.warn(`the list of plugins in the store was not compared: ${why}`);
    }
  }

  async #correctStored(): Promise<void> {
    const { store, log } = this.#options;
    const item = await store.get(PLUGINS_KEY);
    if (item === undefined || haveSameNames(item.value, this.#current.stored)) return;
    log.warn('the list of plugins in the store differs from the configuration: writing it anew');
    await store.put(PLUGINS_KEY, this.#current.stored, { ifModifiedIndex: item.modifiedIndex });
  }
}

function haveSameNames(stored: unknown, wanted: readonly { readonly name: string }[]): boolean {
  if (!Array.isArray(stored)) return false;
  const names = new Set(stored.map((one) => (isJsonObject(one) ? one['name'] : undefined)));
  const wantedNames = new Set<unknown>(wanted.map(({ name }) => name));
  return names.size === wantedNames.size && names.isSubsetOf(wantedNames);
}
