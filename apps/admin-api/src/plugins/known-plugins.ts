import type { GatewayConfig } from '@polygate/chassis';
import { configuredDefinitions } from '@polygate/plugin-sdk';
import type { Logger } from '@polygate/plugin-sdk';
import { PLUGIN_DEFINITIONS } from '@polygate/plugins/definitions';
import { UserPlugins } from '@polygate/plugins/user-plugins';
import type { Definitions } from './plugin-set.ts';

/** Every plugin that there is, enabled or not: Polygate's, and those of users. */
export class KnownPlugins {
  readonly #settings: GatewayConfig['pluginSettings'];
  readonly #user: UserPlugins;
  #definitions: Definitions = new Map();

  private constructor({ polygate, pluginSettings }: GatewayConfig, log: Logger) {
    this.#settings = pluginSettings;
    this.#user = new UserPlugins({ dirs: polygate.pluginDirs, parts: 'definitions', log });
  }

  /** Never rejects: what cannot be loaded is logged. */
  static async load(config: GatewayConfig, log: Logger): Promise<KnownPlugins> {
    const known = new KnownPlugins(config, log);
    await known.refresh();
    return known;
  }

  get definitions(): Definitions {
    return this.#definitions;
  }

  /** Looks for users' plugins that have changed, and for those that could not be loaded before. */
  async refresh(): Promise<void> {
    await this.#user.refresh({ retry: true });
    this.#collect();
  }

  /** Calls back when users' plugins have changed. */
  watch(onChange: () => void): void {
    this.#user.watch(() => {
      this.#collect();
      onChange();
    });
  }

  close(): void {
    this.#user.close();
  }

  #collect(): void {
    const all = new Map([...this.#user.definitions, ...PLUGIN_DEFINITIONS]);
    this.#definitions = configuredDefinitions(all, this.#settings);
  }
}
