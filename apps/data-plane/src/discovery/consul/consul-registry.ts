import type { ConsulDiscoveryConfig } from '@polygate/chassis';
import type { ServiceAnswer } from '../../upstream/discovered-upstream.ts';
import { ConsulDump } from './consul-dump.ts';
import type { Services } from './consul-dump.ts';
import { ConsulServer, retryDelayMs } from './consul-watch.ts';
import { pause } from '../registry-http.ts';
import { NOT_FOUND } from '../service-source.ts';
import type { RegistryLog, ServiceSource, SourceEvents } from '../service-source.ts';

/** Changes that follow one another closely are fetched together. */
const GATHER_MS = 100;

/** Asks one server for what it has; undefined: nothing has changed. Waits for changes, if it may. */
export type ConsulFetch = (
  server: ConsulServer,
  signal: AbortSignal,
) => Promise<Services | undefined>;

export interface ConsulRegistryParts {
  readonly config: ConsulDiscoveryConfig;
  readonly log: RegistryLog;
  readonly events: SourceEvents;
  /** A fetch for each server: it remembers what the server said last. */
  readonly makeFetch: () => ConsulFetch;
}

/** The services of several servers of Consul, each asked on its own, for ever. */
export class ConsulRegistry implements ServiceSource {
  readonly isReady = true;
  readonly #parts: ConsulRegistryParts;
  readonly #dump: ConsulDump;
  readonly #abort = new AbortController();
  /** By server, that which told something last at the end. */
  readonly #services = new Map<string, Services>();
  /** Servers that have neither answered nor failed. */
  readonly #silent: Set<string>;

  constructor(parts: ConsulRegistryParts) {
    this.#parts = parts;
    const { config, log } = parts;
    this.#dump = new ConsulDump(config.dump, log);
    this.#services.set('dump', this.#dump.load());
    this.#silent = new Set(config.servers);
    for (const url of config.servers) void this.#watch(new ConsulServer(url, config));
  }

  /** The default service stands in for one that is not there. */
  find(name: string): ServiceAnswer | undefined {
    const found = this.services.get(name);
    if (found !== undefined) return { nodes: found };
    if (this.#silent.size > 0) return undefined;
    const { defaultService, weight } = this.#parts.config;
    return defaultService === undefined ? NOT_FOUND : { nodes: [{ ...defaultService, weight }] };
  }

  get services(): Services {
    return new Map([...this.#services.values()].flatMap((services) => [...services]));
  }

  dump(): object {
    return { config: this.#parts.config.shown, services: Object.fromEntries(this.services) };
  }

  showDumpFile(): { status: number; body: string } {
    return this.#dump.show();
  }

  close(): void {
    this.#abort.abort();
  }

  async #watch(server: ConsulServer): Promise<void> {
    const { config, log, makeFetch } = this.#parts;
    const { signal } = this.#abort;
    const fetch = makeFetch();
    let delayMs = 0;
    while (!signal.aborted) {
      try {
        const services = await fetch(server, signal);
        if (services !== undefined) this.#take(server.url, services);
        delayMs = 0;
        await pause(config.keepalive ? GATHER_MS : config.fetchIntervalMs, signal);
      } catch (error) {
        if (signal.aborted) break;
        delayMs = retryDelayMs(delayMs);
        log.error(
          `connect consul: ${server.url} got error: ${(error as Error).message}, ` +
            `retry connecting consul after ${delayMs / 1000} seconds`,
        );
        if (this.#silent.delete(server.url)) this.#parts.events.onChange();
        await pause(delayMs, signal).catch(() => undefined);
      }
    }
    server.close();
  }

  #take(url: string, services: Services): void {
    this.#silent.delete(url);
    this.#services.delete(url);
    this.#services.set(url, services);
    // what the file told is of no interest once every server has told more
    if (this.#silent.size === 0) this.#services.delete('dump');
    this.#dump.save(this.services);
    this.#parts.events.onChange();
  }
}
