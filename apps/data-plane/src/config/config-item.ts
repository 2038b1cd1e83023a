import type { ResourceKind } from '@polygate/model';
import type { UserPluginVersion } from '@polygate/plugins/user-plugins';

/** A validated object of the configuration, as the main thread hands it to the workers. */
export interface ConfigItem {
  readonly kind: ResourceKind;
  readonly id: string;
  readonly value: unknown;
  readonly createdIndex: number;
  readonly modifiedIndex: number;
  /** References in it were resolved: its content may change while `modifiedIndex` stays. */
  readonly hasSecrets?: true;
}

/** What changed since the last update. Applied as a whole or not at all. */
export interface ConfigUpdate {
  readonly revision: number;
  /** Everything not in `puts` is gone. */
  readonly reset: boolean;
  readonly puts: readonly ConfigItem[];
  readonly deletes: readonly { readonly kind: ResourceKind; readonly id: string }[];
  /** The plugins to run from now on. */
  readonly plugins?: PluginSelection;
}

export interface PluginSelection {
  readonly generation: number;
  readonly names: readonly string[];
  /** `plugin_attr`, by plugin. */
  readonly attr: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Of users' plugins: what to run. */
  readonly user?: ReadonlyMap<string, UserPluginVersion>;
}
