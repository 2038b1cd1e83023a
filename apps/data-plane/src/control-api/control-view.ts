import type { PluginDefinition } from '@polygate/plugin-sdk';
import type { ConfigItem } from '../config/config-item.ts';
import type { ServiceSource } from '../discovery/service-source.ts';
import type { RunnersReport } from '../runner/runners-report.ts';
import type { CheckedNode } from './health-checks.ts';

/** What the Control API is shown of the data plane, and what it may do to it. */
export interface ControlView {
  /** Last good versions, in the order they came, references to secrets unresolved. */
  items(): readonly ConfigItem[];
  /** The enabled plugins, by priority. */
  plugins(): readonly PluginDefinition[];
  /** Where the items come from. */
  readonly source: ConfigSource;
  /** Nodes that the health checks of this object know of; none before it was first used. */
  checkedNodes(item: ConfigItem): readonly CheckedNode[];
  /** A configured registry. */
  registry(type: string): Pick<ServiceSource, 'dump' | 'showDumpFile'> | undefined;
  /** Reads the lists of the configuration file anew. Throws when it cannot be read. */
  reloadPlugins(): void;
  /** Of the main thread; the workers' heaps are not touched. */
  collectGarbage(): Promise<void>;
  serverInfo(): ServerInfo;
  /** One report a worker that answers in time. */
  runners(): Promise<readonly RunnersReport[]>;
}

export interface ConfigSource {
  /** Before `/routes/1` in keys; empty for a standalone file. */
  readonly keyPrefix: string;
  /** A standalone file knows no `createdIndex`. */
  readonly hasCreatedIndex: boolean;
}

/** apisix/plugins/server-info.lua */
export interface ServerInfo {
  /** Seconds since 1970. */
  readonly boot_time: number;
  readonly etcd_version: string;
  readonly hostname: string;
  readonly id: string;
  readonly version: string;
}
