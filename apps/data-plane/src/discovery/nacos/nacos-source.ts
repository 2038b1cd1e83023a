import type { NacosDiscoveryConfig } from '@polygate/chassis';
import type { UpstreamNode } from '@polygate/model';
import type { ServiceAnswer } from '../../upstream/discovered-upstream.ts';
import { DEFAULT_PLACE, serviceKey } from '../discovery-messages.ts';
import type { ServiceName } from '../discovery-messages.ts';
import { NacosServer } from './nacos-server.ts';
import type { NacosInstance, NacosService } from './nacos-server.ts';
import { pause } from '../registry-http.ts';
import { firstAnswer, openServers } from '../registry-poll.ts';
import type { PolledServer } from '../registry-poll.ts';
import { NOT_FOUND } from '../service-source.ts';
import type { RegistryLog, ServiceSource, SourceEvents } from '../service-source.ts';

/** The only registry of the configuration file, in keys and in the log. */
const REGISTRY = 'default';
/** Questions for single services at a time. */
const PARALLEL = 8;
/** Services that become needed closely after one another are asked for together. */
const GATHER_MS = 20;

interface NacosParts {
  readonly authorities?: readonly string[] | undefined;
  readonly log: RegistryLog;
}

/**
 * Healthy instances of the services that the configuration names, or that some worker needs:
 * apisix/discovery/nacos. All are asked for now and then, new ones at once; what is known stays while
 * nobody answers.
 */
export class NacosSource implements ServiceSource {
  readonly isReady = true;
  readonly #config: NacosDiscoveryConfig;
  readonly #log: RegistryLog;
  readonly #events: SourceEvents;
  readonly #servers: readonly PolledServer[];
  readonly #abort = new AbortController();
  #expected: readonly ServiceName[] = [];
  readonly #wanted = new Map<string, ServiceName>();
  /** By key as in the dump. */
  readonly #known = new Map<string, readonly NacosInstance[]>();
  /** Keys of services that were asked for in vain. */
  #failed = new Set<string>();
  #wake: () => void = () => undefined;

  constructor(config: NacosDiscoveryConfig, parts: NacosParts, events: SourceEvents) {
    this.#config = config;
    this.#log = parts.log;
    this.#events = events;
    const { connectTimeoutMs, sendTimeoutMs, readTimeoutMs } = config;
    const limits = { connectTimeoutMs, sendTimeoutMs, readTimeoutMs };
    this.#servers = openServers(config.endpoints, { ...limits, authorities: parts.authorities });
    void this.#run();
  }

  find(name: string, place = DEFAULT_PLACE): ServiceAnswer | undefined {
    const key = keyOf({ ...place, name });
    const instances = this.#known.get(key);
    if (instances !== undefined) return { nodes: nodesOf(instances, place.isGrpc) };
    return this.#failed.has(key) ? NOT_FOUND : undefined;
  }

  want(name: string, place = DEFAULT_PLACE): void {
    const service = { type: 'nacos', name, place };
    this.#wanted.set(serviceKey(service), service);
    this.#wake();
  }

  unwant(name: string, place = DEFAULT_PLACE): void {
    this.#wanted.delete(serviceKey({ type: 'nacos', name, place }));
  }

  expect(services: readonly ServiceName[]): void {
    this.#expected = services;
    this.#wake();
  }

  dump(): object {
    const grpc = new Set([...this.#needed()].filter(([, one]) => one.isGrpc).map(([key]) => key));
    const services = [...this.#known].map(([key, instances]) => [
      key,
      { nodes: nodesOf(instances, grpc.has(key)) },
    ]);
    return { services: Object.fromEntries(services) as object };
  }

  close(): void {
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    let nextMs = 0;
    while (!signal.aborted) {
      const nowMs = performance.now();
      const isDue = nowMs >= nextMs;
      const needed = this.#needed();
      if (isDue) {
        this.#forgetAllBut(needed);
        nextMs = nowMs + this.#config.fetchIntervalMs;
      }
      const asked = [...needed].filter(([key]) => isDue || !this.#isTold(key));
      if (asked.length > 0) await this.#fetch(asked);
      await this.#rest(nextMs - performance.now());
    }
    for (const { client } of this.#servers) client.close();
  }

  /** Until the time is over, or a service is needed that nothing is known of. */
  async #rest(ms: number): Promise<void> {
    const woken = new AbortController();
    const { signal } = this.#abort;
    this.#wake = () => {
      if ([...this.#needed().keys()].some((key) => !this.#isTold(key))) woken.abort();
    };
    this.#wake();
    await pause(Math.max(ms, 0), AbortSignal.any([signal, woken.signal])).catch(() => undefined);
    this.#wake = () => undefined;
    if (woken.signal.aborted) await pause(GATHER_MS, signal).catch(() => undefined);
  }

  /** Never rejects. */
  async #fetch(services: readonly (readonly [string, NacosService])[]): Promise<void> {
    const answers = await firstAnswer(
      this.#servers,
      (server) => this.#ask(server, services),
      ({ url }, reason) => this.#tell(`fetch_from_host: ${url} err:${reason}`),
    );
    if (this.#abort.signal.aborted) return;
    if (answers === undefined) {
      this.#tell(`failed to fetch nacos registry from all hosts, id: ${REGISTRY}`);
    }
    for (const [key] of services) {
      const instances = answers?.get(key);
      if (instances === undefined) {
        this.#failed.add(key);
      } else {
        this.#failed.delete(key);
        this.#known.set(key, instances);
      }
    }
    this.#events.onChange();
  }

  /** Rejects when the server tells of none of them. */
  async #ask(
    polled: PolledServer,
    services: readonly (readonly [string, NacosService])[],
  ): Promise<ReadonlyMap<string, readonly NacosInstance[]>> {
    const server = new NacosServer(polled, this.#config, this.#abort.signal);
    const token = await server.login().catch((error: unknown) => {
      const [user = ''] = (polled.credentials ?? '').split(':');
      this.#tell(`nacos login fail:${user} desc:${(error as Error).message}`);
      throw error;
    });
    const answers = new Map<string, readonly NacosInstance[]>();
    const waiting = [...services];
    const askSome = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [key, service] = next;
        try {
          answers.set(key, await server.instances(service, token));
        } catch (error) {
          this.#tell(`service ${key} of ${polled.url} err:${(error as Error).message}`);
        }
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, askSome));
    if (answers.size === 0) throw new Error('all nacos services fetch failed');
    return answers;
  }

  /** By key, each once, whatever the scheme: it is about ports alone. */
  #needed(): ReadonlyMap<string, NacosService & { isGrpc: boolean }> {
    const services = [...this.#expected, ...this.#wanted.values()].map(
      ({ name, place = DEFAULT_PLACE }) => ({ ...place, name }),
    );
    return new Map(services.map((service) => [keyOf(service), service]));
  }

  #isTold(key: string): boolean {
    return this.#known.has(key) || this.#failed.has(key);
  }

  #forgetAllBut(needed: ReadonlyMap<string, unknown>): void {
    this.#failed = new Set([...this.#failed].filter((key) => needed.has(key)));
    for (const key of this.#known.keys()) if (!needed.has(key)) this.#known.delete(key);
  }

  #tell(message: string): void {
    if (!this.#abort.signal.aborted) this.#log.error(message);
  }
}

function keyOf({ namespace, group, name }: NacosService): string {
  return `${REGISTRY}/${namespace}/${group}/${name}`;
}

function nodesOf(instances: readonly NacosInstance[], isGrpc: boolean): readonly UpstreamNode[] {
  return instances.map(({ host, port, grpcPort, weight }) => ({
    host,
    port: isGrpc ? grpcPort : port,
    weight,
  }));
}
