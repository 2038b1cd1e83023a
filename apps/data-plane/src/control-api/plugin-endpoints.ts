import type { ControlApiEndpoint, Logger, PluginDefinition } from '@polygate/plugin-sdk';
import { loadPlugins } from '@polygate/plugins';
import type { PluginSelection } from '../config/config-item.ts';

export interface EnabledPlugins {
  readonly selection: PluginSelection;
  readonly definitions: ReadonlyMap<string, PluginDefinition>;
}

/**
 * What enabled plugins add to the Control API (`control_api` of a plugin in APISIX). The main thread
 * otherwise has no code of plugins: it is loaded when first asked for, and only of those that say so.
 */
export class PluginEndpoints {
  readonly #log: Logger;
  #generation: number | undefined;
  #endpoints: Promise<readonly ControlApiEndpoint[]> = Promise.resolve([]);

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Rejects when code cannot be loaded, and tries again when next asked. */
  of(plugins: EnabledPlugins): Promise<readonly ControlApiEndpoint[]> {
    const { generation } = plugins.selection;
    if (generation !== this.#generation) {
      this.#generation = generation;
      this.#endpoints = this.#load(plugins).catch((error: unknown) => {
        this.#generation = undefined;
        throw error;
      });
    }
    return this.#endpoints;
  }

  async #load({ selection, definitions }: EnabledPlugins): Promise<readonly ControlApiEndpoint[]> {
    const names = [...definitions.values()].flatMap(({ hasControlApi, name }) =>
      hasControlApi === true ? name : [],
    );
    const loaded = await loadPlugins(names, {
      versions: selection.user ?? new Map(),
      onProblem: (message) => this.#log.error(message),
    });
    return [...loaded].flatMap(
      ([name, plugin]) => plugin.controlApis?.(selection.attr[name] ?? {}) ?? [],
    );
  }
}
