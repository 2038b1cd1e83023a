import type { Applied, Hello, PluginSet } from '@polygate/rpc';

/** Bounds on what one data plane can make this process remember. */
const REJECTED_MAX = 200;
const NAMES_MAX = 1000;
const TEXT_MAX = 500;

/** What a connected data plane has reported, in the shape that the Admin API shows. */
export interface DataPlane {
  readonly instance_id: string;
  readonly hostname: string;
  readonly version: string;
  /** Seconds since the epoch. */
  readonly connected_at: number;
  /** Revision of the store that all its workers serve; null until it reported one. */
  applied_revision: number | null;
  applied_at: number | null;
  rejected_total: number;
  /** The newest ones of `rejected_total`. */
  rejected: readonly RejectedObject[];
  plugin_set: { readonly generation: number; readonly names: readonly string[] } | null;
}

interface RejectedObject {
  readonly key: string;
  readonly revision: number;
  readonly reason: string;
  readonly keeps_older_version: boolean;
}

export function newDataPlane(hello: Hello): DataPlane {
  return {
    instance_id: cut(hello.instanceId),
    hostname: cut(hello.hostname),
    version: cut(hello.version),
    connected_at: nowSeconds(),
    applied_revision: null,
    applied_at: null,
    rejected_total: 0,
    rejected: [],
    plugin_set: null,
  };
}

export function noteApplied(dataPlane: DataPlane, { revision, rejected }: Applied): void {
  dataPlane.applied_revision = revision;
  dataPlane.applied_at = nowSeconds();
  dataPlane.rejected_total = rejected.length;
  const newestFirst = rejected.toSorted((a, b) => b.revision - a.revision);
  dataPlane.rejected = newestFirst.slice(0, REJECTED_MAX).map((item) => ({
    key: cut(item.key),
    revision: item.revision,
    reason: cut(item.reason),
    keeps_older_version: item.keepsOlderVersion,
  }));
}

export function notePluginSet(dataPlane: DataPlane, { generation, names }: PluginSet): void {
  dataPlane.plugin_set = { generation, names: names.slice(0, NAMES_MAX).map(cut) };
}

function cut(text: string): string {
  return text.slice(0, TEXT_MAX);
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
