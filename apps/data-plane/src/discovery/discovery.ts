import type { DiscoveryConfig } from '@polygate/chassis';
import type { UpstreamResource } from '@polygate/model';
import type { ConfigUpdate } from '../config/config-item.ts';
import { unknownService } from '../upstream/discovered-upstream.ts';
import type { ServiceAnswer } from '../upstream/discovered-upstream.ts';
import { ConfiguredServices } from './configured-services.ts';
import { openConsulKv } from './consul/consul-kv-source.ts';
import { openConsul } from './consul/consul-source.ts';
import { serviceKey, serviceOf } from './discovery-messages.ts';
import type { ServiceChange, ServiceName, ServiceWishes } from './discovery-messages.ts';
import { DnsSource } from './dns/dns-source.ts';
import { EurekaSource } from './eureka/eureka-source.ts';
import { KubernetesSource } from './kubernetes/kubernetes-source.ts';
import { NacosSource } from './nacos/nacos-source.ts';
import { checkedAnswer } from './service-source.ts';
import type { RegistryLog, ServiceSource, SourceEvents } from './service-source.ts';

export interface DiscoveryOptions {
  readonly config: DiscoveryConfig;
  /** Whether names may have AAAA records. */
  readonly ipv6: boolean;
  /** PEM, for servers that are verified; undefined: the system's. */
  readonly authorities: readonly string[] | undefined;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly log: RegistryLog;
}

/** A service that workers need. */
interface Wish {
  readonly service: ServiceName;
  readonly workers: Set<number>;
  /** As the workers were told; undefined: not yet. */
  told: string | undefined;
}

/**
 * The registries of the whole process, in the main thread: asks them, and tells all workers of the
 * services that some worker needs (apisix/discovery/init.lua).
 */
export class Discovery {
  readonly #sources = new Map<string, ServiceSource>();
  readonly #wishes = new Map<string, Wish>();
  readonly #configured = new ConfiguredServices();
  #post: (change: ServiceChange) => void = () => undefined;

  constructor(options: DiscoveryOptions) {
    const { dns, consul, consulKv, kubernetes, nacos, eureka } = options.config;
    const add = (type: string, make: (events: SourceEvents) => ServiceSource): void => {
      this.#sources.set(type, make({ onChange: (name) => this.#changed(type, name) }));
    };
    if (dns !== undefined) add('dns', (events) => new DnsSource(dns, options, events));
    if (consul !== undefined) add('consul', (events) => openConsul(consul, options, events));
    if (consulKv !== undefined) {
      add('consul_kv', (events) => openConsulKv(consulKv, options, events));
    }
    if (kubernetes !== undefined) {
      add('kubernetes', (events) => new KubernetesSource(kubernetes, options, events));
    }
    if (nacos !== undefined) add('nacos', (events) => new NacosSource(nacos, options, events));
    if (eureka !== undefined) add('eureka', (events) => new EurekaSource(eureka, options, events));
  }

  /** Where changes go to: all workers, and whoever checks nodes. */
  connect(post: (change: ServiceChange) => void): void {
    this.#post = post;
  }

  /** The configuration has changed: some registries are asked for all services that it names. */
  apply(update: ConfigUpdate): void {
    const asked = [...this.#sources].filter(([, source]) => source.expect !== undefined);
    if (asked.length === 0) return;
    this.#configured.apply(update);
    for (const [type, source] of asked) source.expect?.(this.#configured.of(type));
  }

  receive(workerId: number, { wanted, unwanted }: ServiceWishes): void {
    for (const service of wanted) this.#want(workerId, service);
    for (const service of unwanted) this.#unwant(workerId, service);
  }

  /** The worker has ended. */
  forget(workerId: number): void {
    for (const { service } of this.#wishes.values()) this.#unwant(workerId, service);
  }

  /** The same with the nodes that are known, where it names a service. */
  withNodes(resource: UpstreamResource): UpstreamResource {
    if (resource.service_name === undefined) return resource;
    const answer = this.#find(serviceOf(resource));
    return { ...resource, nodes: answer !== undefined && 'nodes' in answer ? answer.nodes : [] };
  }

  /** A configured registry by its type. */
  source(type: string): ServiceSource | undefined {
    return this.#sources.get(type);
  }

  get isReady(): boolean {
    return [...this.#sources.values()].every(({ isReady }) => isReady);
  }

  close(): void {
    for (const source of this.#sources.values()) source.close();
    this.#wishes.clear();
  }

  #want(workerId: number, service: ServiceName): void {
    const key = serviceKey(service);
    let wish = this.#wishes.get(key);
    if (wish === undefined) {
      wish = { service, workers: new Set(), told: undefined };
      this.#wishes.set(key, wish);
      this.#sources.get(service.type)?.want?.(service.name, service.place);
    }
    wish.workers.add(workerId);
    wish.told = undefined;
    this.#tell(wish);
  }

  #unwant(workerId: number, service: ServiceName): void {
    const key = serviceKey(service);
    const wish = this.#wishes.get(key);
    if (wish?.workers.delete(workerId) !== true || wish.workers.size > 0) return;
    this.#wishes.delete(key);
    this.#sources.get(service.type)?.unwant?.(service.name, service.place);
  }

  #changed(type: string, name: string | undefined): void {
    if (name !== undefined) {
      const wish = this.#wishes.get(serviceKey({ type, name }));
      if (wish !== undefined) this.#tell(wish);
      return;
    }
    for (const wish of this.#wishes.values()) if (wish.service.type === type) this.#tell(wish);
  }

  /** Only what is new: balancers are made anew for it. */
  #tell(wish: Wish): void {
    const answer = this.#find(wish.service);
    if (answer === undefined) return;
    const text = textOf(answer);
    if (text === wish.told) return;
    wish.told = text;
    this.#post({ ...wish.service, answer });
  }

  #find({ type, name, place }: ServiceName): ServiceAnswer | undefined {
    const source = this.#sources.get(type);
    if (source === undefined) return unknownService(type).answer;
    const answer = source.find(name, place);
    return answer && checkedAnswer(answer);
  }
}

/** The order of nodes is no difference: name servers turn it round on purpose. */
function textOf(answer: ServiceAnswer): string {
  if ('failure' in answer) return answer.failure;
  const nodes = answer.nodes.map((node) => JSON.stringify(node));
  return nodes.sort().join();
}
