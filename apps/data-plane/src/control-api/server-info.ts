import { hostname } from 'node:os';
import type { ServerInfo } from './control-view.ts';

/** What `/v1/server_info` tells. Source: apisix/plugins/server-info.lua. */
export function serverInfo(id: string, version: string): ServerInfo {
  return {
    boot_time: Math.floor(Date.now() / 1000 - process.uptime()),
    etcd_version: 'unknown',
    hostname: hostname(),
    id,
    version,
  };
}
