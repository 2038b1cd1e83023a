import type { ConsumerMatch } from '@polygate/plugin-sdk';
import type { PluginChain } from '../pipeline/plugin-chain.ts';
import type { RouteMatch, RouteRequest } from '../routing/route-request.ts';
import type { CertificateTable } from '../tls/certificate-table.ts';
import type { CompiledUpstream, TimeoutsMs } from '../upstream/compiled-upstream.ts';

/** Everything a request needs of the configuration. Never changes after publication. */
export interface ConfigSnapshot {
  /** Store revision it reflects. */
  readonly revision: number;
  match(request: RouteRequest): RouteMatch<CompiledRoute> | undefined;
  readonly globalRules: PluginChain;
  readonly consumers: ConsumerIndex;
  readonly upstreams: ReadonlyMap<string, CompiledUpstream>;
  readonly certificates: CertificateTable;
}

/** A route with its service and plugin config merged in. */
export interface CompiledRoute {
  readonly id: string;
  readonly name: string | undefined;
  readonly serviceId: string | undefined;
  readonly serviceName: string | undefined;
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** A referenced object is missing: the status to answer, before any plugin runs. */
  readonly failure: { readonly status: number; readonly reason: string } | undefined;
  readonly chain: PluginChain;
  readonly upstream: CompiledUpstream | undefined;
  /** Looked up in the snapshot at each request, so that an upstream may change on its own. */
  readonly upstreamId: string | undefined;
  readonly timeoutsMs: TimeoutsMs | undefined;
  /** Whether a client may switch to another protocol. */
  readonly enableWebsocket: boolean;
  /** As it stands in the configuration; so the service. */
  readonly resource: Readonly<Record<string, unknown>>;
  readonly serviceResource: Readonly<Record<string, unknown>> | undefined;
  consumerResource(consumer: ConsumerMatch): Readonly<Record<string, unknown>> | undefined;
  /** Global rules without those plugins that leave the field to the route (`run_policy`). */
  globalRulesFor(globalRules: PluginChain): PluginChain;
  /** The chain once the consumer is known; undefined when its group is missing. */
  chainFor(consumer: ConsumerMatch): PluginChain | undefined;
}

export interface ConsumerIndex {
  findByKey(plugin: string, key: string): ConsumerMatch | undefined;
  findByName(username: string): ConsumerMatch | undefined;
}
