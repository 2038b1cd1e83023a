import type { RouteResource, ServiceResource } from '@polygate/model';
import type { ConsumerMatch } from '@polygate/plugin-sdk';
import { makeChain } from '../pipeline/plugin-chain.ts';
import type { PluginChain } from '../pipeline/plugin-chain.ts';
import type { RouteCandidate } from '../routing/route-request.ts';
import type { CompiledUpstream } from '../upstream/compiled-upstream.ts';
import type { CompiledCertificates } from './compiled-certificates.ts';
import type { CompiledRoute } from './config-snapshot.ts';
import type { ConsumerLayers } from './consumer-index.ts';
import { placeConfs } from './prepared-plugins.ts';
import type { PlacedConf, PreparedPlugins } from './prepared-plugins.ts';

export interface RouteFacts extends Omit<
  CompiledRoute,
  'globalRulesFor' | 'chainFor' | 'consumerResource' | 'upstream'
> {
  /** `late`: to be compiled when it is first asked for. */
  readonly upstream: CompiledUpstream | 'late' | undefined;
}

/** What a route needs once it is asked. */
export interface AskedSurroundings {
  readonly prepared: PreparedPlugins;
  readonly certificates: Pick<CompiledCertificates, 'compileUpstream'>;
  readonly layersOf: (consumer: ConsumerMatch) => ConsumerLayers | undefined;
}

/**
 * A compiled route that remembers the chains it was asked for. A class, not closures: with 100,000
 * routes a worker has 100,000 of these, and most are never asked.
 */
export class RouteOfItems implements CompiledRoute {
  readonly id: string;
  readonly name: string | undefined;
  readonly serviceId: string | undefined;
  readonly serviceName: string | undefined;
  readonly labels: CompiledRoute['labels'];
  readonly failure: CompiledRoute['failure'];
  readonly chain: PluginChain;
  readonly upstreamId: string | undefined;
  readonly timeoutsMs: CompiledRoute['timeoutsMs'];
  readonly enableWebsocket: boolean;
  readonly resource: CompiledRoute['resource'];
  readonly serviceResource: CompiledRoute['serviceResource'];
  /** Its ways into the table: one alone without a list, for it is what most have. */
  candidates: RouteCandidate<CompiledRoute> | readonly RouteCandidate<CompiledRoute>[] | undefined =
    undefined;
  readonly #confs: ReadonlyMap<string, PlacedConf>;
  readonly #around: AskedSurroundings;
  #upstream: RouteFacts['upstream'];
  /** The global rules last asked for, and what is left of them. */
  #globalRules: PluginChain | undefined;
  #globalRulesLeft: PluginChain | undefined;
  /** Matches are made anew when what they stand for changes, so a chain is good as long as its key. */
  #chains: WeakMap<ConsumerMatch, { readonly chain: PluginChain | undefined }> | undefined;

  constructor(
    facts: RouteFacts,
    confs: ReadonlyMap<string, PlacedConf>,
    around: AskedSurroundings,
  ) {
    this.id = facts.id;
    this.name = facts.name;
    this.serviceId = facts.serviceId;
    this.serviceName = facts.serviceName;
    this.labels = facts.labels;
    this.failure = facts.failure;
    this.chain = facts.chain;
    this.upstreamId = facts.upstreamId;
    this.timeoutsMs = facts.timeoutsMs;
    this.enableWebsocket = facts.enableWebsocket;
    this.resource = facts.resource;
    this.serviceResource = facts.serviceResource;
    this.#confs = confs;
    this.#around = around;
    this.#upstream = facts.upstream;
  }

  get upstream(): CompiledUpstream | undefined {
    if (this.#upstream === 'late') this.#upstream = this.#compileUpstream();
    return this.#upstream;
  }

  /** A plugin with `run_policy` `prefer_route` leaves the field to the route's own. */
  globalRulesFor(globalRules: PluginChain): PluginChain {
    if (this.chain.plugins.length === 0) return globalRules;
    if (this.#globalRulesLeft === undefined || this.#globalRules !== globalRules) {
      this.#globalRules = globalRules;
      this.#globalRulesLeft = withoutPreferringRoute(globalRules, this.chain);
    }
    return this.#globalRulesLeft;
  }

  consumerResource(consumer: ConsumerMatch): CompiledRoute['serviceResource'] {
    return this.#around.layersOf(consumer)?.consumer.value as CompiledRoute['serviceResource'];
  }

  chainFor(consumer: ConsumerMatch): PluginChain | undefined {
    this.#chains ??= new WeakMap();
    const known = this.#chains.get(consumer);
    if (known !== undefined) return known.chain;
    const chain = this.#chainForConsumer(consumer);
    this.#chains.set(consumer, { chain });
    return chain;
  }

  #compileUpstream(): CompiledUpstream {
    const own = (this.resource as Partial<RouteResource>).upstream;
    const { upstream = {} } = (this.serviceResource ?? {}) as Partial<ServiceResource>;
    const key = own === undefined ? `services/${this.serviceId ?? ''}` : `routes/${this.id}`;
    return this.#around.certificates.compileUpstream(own ?? upstream, undefined, key);
  }

  #chainForConsumer(consumer: ConsumerMatch): PluginChain | undefined {
    const { layersOf, prepared } = this.#around;
    const layers = layersOf(consumer);
    if (layers === undefined || (consumer.groupId !== undefined && layers.group === undefined)) {
      return undefined;
    }
    const routeConfs = this.#confs;
    const confs = placeConfs([layers.group, layers.consumer], routeConfs);
    if ([...confs].every(([name, placed]) => routeConfs.get(name) === placed)) return this.chain;
    const plugins = prepared.all(confs);
    return makeChain(plugins, new Set(plugins.filter(({ name }) => !routeConfs.has(name))));
  }
}

/** Of a route that is switched off there are none. */
export function candidatesIn(
  route: RouteOfItems | undefined,
): readonly RouteCandidate<CompiledRoute>[] {
  const candidates = route?.candidates;
  if (candidates === undefined) return [];
  return 'target' in candidates ? [candidates] : candidates;
}

function withoutPreferringRoute(globalRules: PluginChain, route: PluginChain): PluginChain {
  const names = new Set(route.plugins.map(({ name }) => name));
  const kept = globalRules.plugins.filter(
    ({ name, runPolicy }) => runPolicy !== 'prefer_route' || !names.has(name),
  );
  return kept.length === globalRules.plugins.length ? globalRules : makeChain(kept);
}
