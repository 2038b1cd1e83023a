import type { ConsumerMatch } from '@polygate/plugin-sdk';
import { makeChain } from '../pipeline/plugin-chain.ts';
import type { PluginChain } from '../pipeline/plugin-chain.ts';
import type { CompiledRoute } from './config-snapshot.ts';
import type { ConsumerLayers } from './consumer-index.ts';
import { placeConfs } from './prepared-plugins.ts';
import type { PlacedConf, PreparedPlugins } from './prepared-plugins.ts';

export type RouteFacts = Omit<CompiledRoute, 'globalRulesFor' | 'chainFor' | 'consumerResource'>;

/** What a route needs once a consumer is known. */
export interface ConsumerSurroundings {
  readonly prepared: PreparedPlugins;
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
  readonly upstream: CompiledRoute['upstream'];
  readonly upstreamId: string | undefined;
  readonly timeoutsMs: CompiledRoute['timeoutsMs'];
  readonly enableWebsocket: boolean;
  readonly resource: CompiledRoute['resource'];
  readonly serviceResource: CompiledRoute['serviceResource'];
  readonly #confs: ReadonlyMap<string, PlacedConf>;
  readonly #around: ConsumerSurroundings;
  /** The global rules last asked for, and what is left of them. */
  #globalRules: PluginChain | undefined;
  #globalRulesLeft: PluginChain | undefined;
  /** Matches are made anew when what they stand for changes, so a chain is good as long as its key. */
  #chains: WeakMap<ConsumerMatch, { readonly chain: PluginChain | undefined }> | undefined;

  constructor(
    facts: RouteFacts,
    confs: ReadonlyMap<string, PlacedConf>,
    around: ConsumerSurroundings,
  ) {
    this.id = facts.id;
    this.name = facts.name;
    this.serviceId = facts.serviceId;
    this.serviceName = facts.serviceName;
    this.labels = facts.labels;
    this.failure = facts.failure;
    this.chain = facts.chain;
    this.upstream = facts.upstream;
    this.upstreamId = facts.upstreamId;
    this.timeoutsMs = facts.timeoutsMs;
    this.enableWebsocket = facts.enableWebsocket;
    this.resource = facts.resource;
    this.serviceResource = facts.serviceResource;
    this.#confs = confs;
    this.#around = around;
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

function withoutPreferringRoute(globalRules: PluginChain, route: PluginChain): PluginChain {
  const names = new Set(route.plugins.map(({ name }) => name));
  const kept = globalRules.plugins.filter(
    ({ name, runPolicy }) => runPolicy !== 'prefer_route' || !names.has(name),
  );
  return kept.length === globalRules.plugins.length ? globalRules : makeChain(kept);
}
