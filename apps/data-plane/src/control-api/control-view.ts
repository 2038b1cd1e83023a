import type { StreamPlugin } from '@polygate/model';
import type { ControlApiEndpoint, PluginDefinition } from '@polygate/plugin-sdk';
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
  /** Their names, in the order of the list that enables them. */
  listed(): readonly string[];
  /** What stream routes may have, by priority. */
  streamPlugins(): readonly StreamPlugin[];
  /** Those that enabled plugins bring. Rejects when their code cannot be loaded. */
  pluginEndpoints(): Promise<readonly ControlApiEndpoint[]>;
  /** Where the items come from. */
  readonly source: ConfigSource;
  /** Nodes that the health checks of this object know of; none before it was first used. */
  checkedNodes(item: ConfigItem): readonly CheckedNode[];
  /** A configured registry. */
  registry(type: string): Pick<ServiceSource, 'dump' | 'showDumpFile'> | undefined;
  /**
   * Reads the lists of the configuration file anew; resolves when the workers have them, or are late.
   * Rejects when it cannot be read.
   */
  reloadPlugins(): Promise<void>;
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
  readonly id: string | number;
  readonly version: string;
}
