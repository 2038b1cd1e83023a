import type { EurekaDiscoveryConfig } from '@polygate/chassis';
import type { UpstreamNode } from '@polygate/model';
import type { ServiceAnswer } from '../../upstream/discovered-upstream.ts';
import { pause } from '../registry-http.ts';
import { firstAnswer, numberIn, openServers } from '../registry-poll.ts';
import type { PolledServer } from '../registry-poll.ts';
import { NOT_FOUND } from '../service-source.ts';
import type { RegistryLog, ServiceSource, SourceEvents } from '../service-source.ts';

type Services = ReadonlyMap<string, readonly UpstreamNode[]>;

interface Port {
  readonly $?: unknown;
  readonly '@enabled'?: unknown;
}

interface Instance {
  readonly ipAddr?: string;
  readonly status?: string;
  /** Eureka has written it both ways. */
  readonly overriddenstatus?: string;
  readonly overriddenStatus?: string;
  readonly port?: Port;
  readonly securePort?: Port;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

interface Applications {
  readonly applications?: {
    readonly application?: readonly {
      readonly name?: string;
      readonly instance?: readonly Instance[];
    }[];
  };
}

/**
 * Instances that are up, of all applications of Eureka: apisix/discovery/eureka. Asked for as a whole
 * now and then; what is known stays while no server answers.
 */
export class EurekaSource implements ServiceSource {
  readonly isReady = true;
  readonly #config: EurekaDiscoveryConfig;
  readonly #log: RegistryLog;
  readonly #events: SourceEvents;
  readonly #servers: readonly PolledServer[];
  readonly #abort = new AbortController();
  #services: Services | undefined;
  #hasFailed = false;

  constructor(
    config: EurekaDiscoveryConfig,
    { log }: { readonly log: RegistryLog },
    events: SourceEvents,
  ) {
    this.#config = config;
    this.#log = log;
    this.#events = events;
    const { connectTimeoutMs, sendTimeoutMs, readTimeoutMs } = config;
    // as in APISIX certificates are not looked at
    const limits = { connectTimeoutMs, sendTimeoutMs, readTimeoutMs, verify: false };
    this.#servers = openServers(config.endpoints, limits);
    void this.#run();
  }

  find(name: string): ServiceAnswer | undefined {
    if (this.#services === undefined) return this.#hasFailed ? NOT_FOUND : undefined;
    const nodes = this.#services.get(name);
    return nodes === undefined ? NOT_FOUND : { nodes };
  }

  dump(): object {
    return { config: this.#config.shown, services: Object.fromEntries(this.#services ?? []) };
  }

  close(): void {
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      await this.#fetch();
      await pause(this.#config.fetchIntervalMs, signal).catch(() => undefined);
    }
    for (const { client } of this.#servers) client.close();
  }

  /** Never rejects. */
  async #fetch(): Promise<void> {
    const services = await firstAnswer(
      this.#servers,
      (server) => this.#ask(server),
      ({ url }, reason) => this.#tell(`failed to fetch registry from ${url}: ${reason}`),
    );
    if (this.#abort.signal.aborted) return;
    if (services === undefined) {
      const tried = `no healthy endpoint found, tried ${this.#servers.length} host(s)`;
      this.#tell(`failed to fetch registry from all eureka hosts, ${tried}`);
      this.#hasFailed = true;
    } else {
      this.#services = services;
    }
    this.#events.onChange();
  }

  async #ask({ url, credentials, client }: PolledServer): Promise<Services> {
    const basic = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`;
    const { status, text } = await client.ask({
      path: '/apps',
      headers: { Accept: 'application/json', ...(basic !== undefined && { Authorization: basic }) },
      readTimeoutMs: this.#config.readTimeoutMs,
      signal: this.#abort.signal,
    });
    if (status !== 200) throw new Error(`status=${status}`);
    const { applications } = JSON.parse(text) as Applications;
    if (applications === undefined) throw new Error('the answer has no applications');
    const services = this.#servicesOf(applications);
    this.#log.info(
      `successfully updated service registry, services count=${services.size}; source=${url}`,
    );
    return services;
  }

  #servicesOf({ application }: NonNullable<Applications['applications']>): Services {
    const services = new Map<string, UpstreamNode[]>();
    for (const { name, instance } of listOf(application)) {
      const nodes = listOf(instance).flatMap((one) => nodeOf(one, this.#config.weight) ?? []);
      if (name === undefined || nodes.length === 0) continue;
      services.set(name, [...(services.get(name) ?? []), ...nodes]);
    }
    return services;
  }

  #tell(message: string): void {
    if (!this.#abort.signal.aborted) this.#log.error(message);
  }
}

function listOf<T>(written: readonly T[] | undefined): readonly T[] {
  return Array.isArray(written) ? (written as readonly T[]) : [];
}

/** Undefined: it is not up, or nobody can connect to it. */
function nodeOf(instance: Instance, defaultWeight: number): UpstreamNode | undefined {
  const { ipAddr: host, metadata } = instance;
  const port = portIn(instance.securePort) ?? portIn(instance.port);
  if (!isUp(instance) || host === undefined || port === undefined) return undefined;
  const { weight, ...others } = metadata ?? {};
  return {
    host,
    port,
    weight: weight === undefined ? defaultWeight : (numberIn(weight) ?? (weight as number)),
    ...(metadata !== undefined && { metadata: others }),
  };
}

/** What an operator says goes before what the instance says. */
function isUp({ status, overriddenstatus, overriddenStatus }: Instance): boolean {
  const overridden = overriddenstatus ?? overriddenStatus ?? 'UNKNOWN';
  return (overridden === 'UNKNOWN' ? status : overridden) === 'UP';
}

function portIn(port: Port | undefined): number | undefined {
  return String(port?.['@enabled']) === 'true' ? numberIn(port?.$) : undefined;
}
