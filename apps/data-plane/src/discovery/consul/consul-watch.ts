import type { ConsulDiscoveryConfig } from '@polygate/chassis';
import { pause, RegistryClient } from '../registry-http.ts';
import type { RegistryAnswer } from '../registry-http.ts';

/** Consul adds up to a sixteenth of the wait. */
const WAIT_SLACK = 1 + 1 / 16;
/** A watch that brought no news is begun again after so long, times a number up to one. */
const NO_NEWS_PAUSE_MS = 5000;
const RETRY_FACTOR = 4;
const RETRY_S_MAX = 256;

export interface ConsulIndex {
  /** `X-Consul-Index`; 0: none. */
  readonly index: number;
  /** Undefined: there is nothing at the path. */
  readonly body: unknown;
}

/** One server of Consul's HTTP API. */
export class ConsulServer {
  readonly url: string;
  readonly #config: ConsulDiscoveryConfig;
  readonly #client: RegistryClient;

  constructor(url: string, config: ConsulDiscoveryConfig) {
    this.url = url;
    this.#config = config;
    this.#client = new RegistryClient({ base: url, connectTimeoutMs: config.connectTimeoutMs });
  }

  close(): void {
    this.#client.close();
  }

  /** `path` below `/v1`. Rejects with a sentence for every status but 200 and the 404 of no keys. */
  async get(
    path: string,
    query: Record<string, string>,
    signal: AbortSignal,
  ): Promise<ConsulIndex> {
    return this.#ask(path, query, { readTimeoutMs: this.#config.readTimeoutMs, signal });
  }

  /** The same, answered when something has changed since `index`, or after a while. */
  async wait(
    path: string,
    index: number,
    signal: AbortSignal,
    more: Record<string, string> = {},
  ): Promise<ConsulIndex> {
    const { readTimeoutMs, waitMs } = this.#config;
    const query = { ...more, wait: `${waitMs / 1000}s`, index: String(index) };
    return this.#ask(path, query, { readTimeoutMs: readTimeoutMs + waitMs * WAIT_SLACK, signal });
  }

  /** Resolves with the first news. */
  async news(path: string, index: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      const answer = await this.wait(path, index, signal);
      if (answer.index === 0) throw new Error(`${path} was answered without X-Consul-Index`);
      if (answer.index !== index) return;
      await pause(Math.random() * NO_NEWS_PAUSE_MS, signal);
    }
  }

  async #ask(
    path: string,
    query: Record<string, string>,
    limits: { readTimeoutMs: number; signal: AbortSignal },
  ): Promise<ConsulIndex> {
    const { token } = this.#config;
    const written = new URLSearchParams(query).toString();
    const answer = await this.#client.ask({
      path: `/v1${path}${written === '' ? '' : `?${written}`}`,
      headers: token === '' ? {} : { 'X-Consul-Token': token },
      ...limits,
    });
    const index = indexOf(answer);
    // without an index it is a proxy's, or of a server that does not know the path
    if (answer.status === 404 && index !== 0) return { index, body: undefined };
    if (answer.status !== 200) throw new Error(`${path} was answered ${answer.status}`);
    return { index, body: JSON.parse(answer.text) };
  }
}

/** As APISIX: 1, 4, 16, 64 and 256 seconds, then from 1 again. */
export function retryDelayMs(formerMs: number): number {
  return formerMs === 0 || formerMs >= RETRY_S_MAX * 1000 ? 1000 : formerMs * RETRY_FACTOR;
}

function indexOf({ headers }: RegistryAnswer): number {
  const written = Number(headers['x-consul-index'] ?? 0);
  return Number.isSafeInteger(written) && written > 0 ? written : 0;
}
