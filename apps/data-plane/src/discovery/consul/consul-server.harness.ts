// Test-only: Consul's HTTP API as far as discovery goes: indexes, blocking queries, tokens, pairs.
import http from 'node:http';
import type { AddressInfo } from 'node:net';

interface Instance {
  readonly Address: string;
  readonly Port: number;
  readonly passing: boolean;
}

export class ConsulTestServer {
  readonly asked: string[] = [];
  readonly services = new Map<string, Instance[]>();
  readonly pairs = new Map<string, object>();
  token = '';
  port = 0;
  #index = 0;
  #server: http.Server | undefined;
  readonly #waiting = new Set<() => void>();

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Counts changes from the beginning, as an agent without a disk. */
  async start(): Promise<this> {
    this.#index = 10;
    this.#server = http.createServer((request, response) => this.#serve(request, response));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.listen(this.port, '127.0.0.1', resolve);
    await promise;
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server?.close(() => resolve());
    this.#server?.closeAllConnections();
    await promise;
  }

  /** Instances by `address:port`; those with `!` before them do not pass. */
  set(service: string, ...instances: string[]): void {
    const parsed = instances.map((written) => {
      const [, bang = '', address = '', port = ''] = /^(!?)(.*):(\d*)$/.exec(written) ?? [];
      return { Address: address, Port: Number(port), passing: bang === '' };
    });
    if (instances.length === 0) this.services.delete(service);
    else this.services.set(service, parsed);
    this.#changed();
  }

  /** Undefined: it is gone. */
  setPair(key: string, value: object | undefined): void {
    if (value === undefined) this.pairs.delete(key);
    else this.pairs.set(key, value);
    this.#changed();
  }

  #changed(): void {
    this.#index += 1;
    for (const wake of [...this.#waiting]) wake();
  }

  #serve(request: http.IncomingMessage, response: http.ServerResponse): void {
    const url = new URL(request.url ?? '', 'http://consul');
    this.asked.push(url.pathname + url.search);
    if ((request.headers['x-consul-token'] ?? '') !== this.token) {
      response.writeHead(403).end('Permission denied');
      return;
    }
    const answer = (): void => {
      this.#waiting.delete(answer);
      const body = this.#bodyOf(url);
      response.writeHead(body === undefined ? 404 : 200, { 'X-Consul-Index': this.#index });
      response.end(body && JSON.stringify(body));
    };
    if (Number(url.searchParams.get('index') ?? 0) >= this.#index) {
      this.#waiting.add(answer);
      response.once('close', () => this.#waiting.delete(answer));
    } else {
      answer();
    }
  }

  #bodyOf({ pathname, searchParams }: URL): unknown {
    if (pathname === '/v1/catalog/services') {
      return Object.fromEntries([...this.services.keys(), 'consul'].map((name) => [name, []]));
    }
    if (pathname === '/v1/health/state/any') return [];
    const [, service] = /^\/v1\/health\/service\/(.+)$/.exec(pathname) ?? [];
    if (service !== undefined) {
      return (this.services.get(decodeURIComponent(service)) ?? [])
        .filter(({ passing }) => passing || !searchParams.has('passing'))
        .map(({ Address, Port }) => ({
          Node: { Address: '127.0.0.9' },
          Service: { Address, Port, Meta: null },
        }));
    }
    const [, prefix] = /^\/v1\/kv\/(.+)$/.exec(pathname) ?? [];
    if (prefix === undefined) return undefined;
    const pairs = [...this.pairs].filter(([key]) => key.startsWith(prefix));
    if (pairs.length === 0) return undefined;
    return pairs.map(([Key, value]) => ({
      Key,
      Value: Buffer.from(JSON.stringify(value)).toString('base64'),
    }));
  }
}
