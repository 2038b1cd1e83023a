import type { ConsulDiscoveryConfig } from '@polygate/chassis';
import type { UpstreamNode } from '@polygate/model';
import type { Services } from './consul-dump.ts';
import { ConsulRegistry } from './consul-registry.ts';
import type { ConsulFetch } from './consul-registry.ts';
import type { ConsulServer } from './consul-watch.ts';
import type { RegistryLog, SourceEvents } from '../service-source.ts';

const CATALOG = '/catalog/services';
const HEALTH = '/health/state/any';
/** Questions for single services at a time. */
const PARALLEL = 8;
const DEFAULT_PORT = 80;

interface Entry {
  readonly Service?: { readonly Address?: string; readonly Port?: number };
  readonly Node?: { readonly Address?: string };
}

/**
 * Instances of Consul's services that pass their checks: apisix/discovery/consul. The catalog and the
 * checks are watched; a change of either has everything fetched anew.
 */
export function openConsul(
  config: ConsulDiscoveryConfig,
  { log }: { readonly log: RegistryLog },
  events: SourceEvents,
): ConsulRegistry {
  const makeFetch = (): ConsulFetch => {
    const catalog = new ConsulCatalog(config, log);
    return (server, signal) => catalog.fetch(server, signal);
  };
  return new ConsulRegistry({ config, log, events, makeFetch });
}

/** What one server says, and how far it has been read. */
class ConsulCatalog {
  readonly #config: ConsulDiscoveryConfig;
  readonly #log: RegistryLog;
  readonly #skipped: ReadonlySet<string>;
  #catalogIndex = 0;
  #healthIndex = 0;
  #services: Services = new Map();

  constructor(config: ConsulDiscoveryConfig, log: RegistryLog) {
    this.#config = config;
    this.#log = log;
    this.#skipped = new Set(['consul', ...config.skipServices]);
  }

  async fetch(server: ConsulServer, signal: AbortSignal): Promise<Services | undefined> {
    try {
      return await this.#fetchNews(server, signal);
    } catch (error) {
      // when the server is back it may count from the beginning
      this.#catalogIndex = 0;
      this.#healthIndex = 0;
      throw error;
    }
  }

  async #fetchNews(server: ConsulServer, signal: AbortSignal): Promise<Services | undefined> {
    if (this.#config.keepalive) await this.#awaitNews(server, signal);
    const catalog = await server.get(CATALOG, {}, signal);
    const health = await server.get(HEALTH, {}, signal);
    const isSame = catalog.index === this.#catalogIndex && health.index === this.#healthIndex;
    if (isSame && catalog.index !== 0) return undefined;
    const names = Object.keys(Object(catalog.body) as object).filter(
      (name) => !this.#skipped.has(name),
    );
    this.#services = await this.#fetchAll(server, names, signal);
    this.#catalogIndex = catalog.index;
    this.#healthIndex = health.index;
    return this.#services;
  }

  async #awaitNews(server: ConsulServer, signal: AbortSignal): Promise<void> {
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    const watches = [
      server.news(CATALOG, this.#catalogIndex, either),
      server.news(HEALTH, this.#healthIndex, either),
    ];
    try {
      await Promise.race(watches);
    } finally {
      done.abort();
      await Promise.allSettled(watches);
    }
  }

  async #fetchAll(
    server: ConsulServer,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<Services> {
    const services = new Map<string, readonly UpstreamNode[]>();
    const waiting = [...names];
    const fetchSome = async (): Promise<void> => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        const nodes = await this.#fetchOne(server, name, signal);
        if (nodes !== undefined && nodes.length > 0) services.set(name, nodes);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, fetchSome));
    return services;
  }

  /** A service that cannot be fetched keeps the nodes it had. */
  async #fetchOne(
    server: ConsulServer,
    name: string,
    signal: AbortSignal,
  ): Promise<readonly UpstreamNode[] | undefined> {
    const path = `/health/service/${encodeURIComponent(name)}`;
    try {
      const { body } = await server.get(path, { passing: 'true' }, signal);
      return this.#nodesOf(Array.isArray(body) ? (body as readonly Entry[]) : []);
    } catch (error) {
      if (signal.aborted) throw error;
      this.#log.error(`connect consul: ${server.url}, service ${name}: ${String(error)}`);
      return this.#services.get(name);
    }
  }

  #nodesOf(entries: readonly Entry[]): readonly UpstreamNode[] {
    const { weight, sortType } = this.#config;
    const nodes = new Map<string, UpstreamNode & { port: number }>();
    for (const { Service, Node } of entries) {
      // Consul leaves an instance without an address of its own at its agent's
      const host = Service?.Address || Node?.Address;
      if (Service === undefined || host === undefined) {
        this.#log.warn('invalid consul service entry without Service field, skip it');
        continue;
      }
      const port = Service.Port || DEFAULT_PORT;
      nodes.set(`${host}:${port}`, { host, port, weight });
    }
    return sorted([...nodes.values()], sortType);
  }
}

function sorted(
  nodes: readonly (UpstreamNode & { port: number })[],
  sortType: ConsulDiscoveryConfig['sortType'],
): readonly UpstreamNode[] {
  if (sortType === 'origin') return nodes;
  const byHost = sortType !== 'port_sort';
  const byPort = sortType !== 'host_sort';
  return nodes.toSorted((a, b) => {
    if (byHost && a.host !== b.host) return a.host < b.host ? -1 : 1;
    return byPort ? a.port - b.port : 0;
  });
}
