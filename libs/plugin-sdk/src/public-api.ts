import type { GatewaySettings } from './configured-definitions.ts';
import type { LocalReply } from './local-reply.ts';
import type { RequestContext } from './request-context.ts';
import type { SharedCache } from './shared-cache.ts';

/** An endpoint of a plugin's own. It is reached through a route with public-api, and in no other way. */
export interface PublicApi {
  readonly methods: readonly string[];
  /** The whole path; with a `*` at its end, what it begins with. */
  readonly path: string;
  handle(ctx: RequestContext): LocalReply | Promise<LocalReply>;
}

/** What endpoints go by besides the request. */
export interface PublicApiSources {
  /** `/plugin_metadata/<name>` as it is now, validated. */
  metadata(): Readonly<Record<string, unknown>>;
  readonly settings: GatewaySettings;
  readonly node: GatewayNode;
  /** The plugin's conf of a route, its plugin config or its service. Left out: none is known. */
  readonly confOf?: (routeId: string) => Readonly<Record<string, unknown>> | undefined;
  /** A zone in memory, by its name. Left out: there are none. */
  readonly sharedCache?: (zone: string) => SharedCache | undefined;
}

/** The process that answers. */
export interface GatewayNode {
  /** `apisix.id` of the configuration file; one of its own for each start where that is not set. */
  readonly id: string;
  /** Of all worker threads together, now. */
  connections(): ConnectionCounts;
  /** All metrics of the process in Prometheus's text format. Rejects when they cannot be collected. */
  metricsText(): Promise<string>;
}

/** What nginx's stub_status tells. `total` are requests. */
export interface ConnectionCounts {
  readonly active: number;
  readonly accepted: number;
  readonly handled: number;
  readonly total: number;
  readonly reading: number;
  readonly writing: number;
  readonly waiting: number;
}
