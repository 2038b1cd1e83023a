import { hostname } from 'node:os';
import type { GatewayConfig } from '@polygate/chassis';
import type { ConfigStore } from '@polygate/config-store';
import type { Logger } from '@polygate/plugin-sdk';
import type { PluginSelection } from '../config/config-item.ts';
import type { ServerInfo } from './control-view.ts';

const LOOK_MS = 1000;
/** `plugin_attr.server-info.report_ttl`, seconds. */
const TTL_S = { default: 60, min: 3, max: 86_400 } as const;

export interface ServerInfoOptions {
  readonly config: Pick<GatewayConfig, 'configProvider' | 'role'>;
  readonly store: Pick<ConfigStore, 'put' | 'serverVersion'>;
  readonly id: string;
  readonly version: string;
  readonly selection: () => PluginSelection;
  readonly log: Pick<Logger, 'error'>;
}

/**
 * What this data plane is: at `/v1/server_info`, and, while the plugin server-info is on and etcd is used,
 * in etcd under `/data_plane/server_info/<id>` for as long as it lives. A data plane that only reads, as
 * one of the role `data_plane`, writes nothing. Source: apisix/plugins/server-info.lua.
 */
export class ServerInfoReport {
  readonly #options: ServerInfoOptions;
  readonly #bootTimeS = Math.floor(Date.now() / 1000 - process.uptime());
  #etcdVersion = 'unknown';
  #timer: NodeJS.Timeout | undefined;
  #isReporting = false;
  #dueMs = 0;

  constructor(options: ServerInfoOptions) {
    this.#options = options;
  }

  get current(): ServerInfo {
    const { id, version } = this.#options;
    return {
      boot_time: this.#bootTimeS,
      etcd_version: this.#etcdVersion,
      hostname: hostname(),
      // as it is written in the configuration file, most of the time
      id: /^[1-9]\d{0,14}$/.test(id) ? Number(id) : id,
      version,
    };
  }

  start(): void {
    const { config, store } = this.#options;
    const isWriter = config.configProvider === 'etcd' && config.role !== 'data_plane';
    if (!isWriter || store.serverVersion === undefined) return;
    this.#look();
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** What was written goes with its lease. */
  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { names, attr } = this.#options.selection();
    const nowMs = performance.now();
    if (!names.includes('server-info') || this.#isReporting || nowMs < this.#dueMs) return;
    const ttlSeconds = attr['server-info']?.['report_ttl'] ?? TTL_S.default;
    if (!isTtl(ttlSeconds)) {
      this.#dueMs = Infinity;
      this.#options.log.error(
        `failed to check plugin_attr: report_ttl is no integer from ${TTL_S.min} to ${TTL_S.max}`,
      );
      return;
    }
    this.#dueMs = nowMs + ttlSeconds * 500;
    this.#isReporting = true;
    void this.#report(ttlSeconds).finally(() => (this.#isReporting = false));
  }

  async #report(ttlSeconds: number): Promise<void> {
    const { store, log } = this.#options;
    try {
      if (this.#etcdVersion === 'unknown') {
        this.#etcdVersion = (await store.serverVersion?.()) ?? 'unknown';
      }
      const info = this.current;
      await store.put(`/data_plane/server_info/${info.id}`, info, { ttlSeconds });
    } catch (error) {
      log.error(`failed to report server_info to etcd: ${String(error)}`);
    }
  }
}

function isTtl(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= TTL_S.min && Number(value) <= TTL_S.max;
}
