// Test-only: the API of a Kubernetes cluster as far as discovery goes: lists in pages, watches.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ClusterObject } from './cluster-endpoints.ts';

export class TestCluster {
  readonly asked: URL[] = [];
  readonly tokens = new Set<string>();
  /** Objects of one page, whatever `limit` asks for. */
  pageSize = 1;
  /** Watches from an older version are told that it is gone. */
  oldestVersion = 0;
  #version = 100;
  readonly #objects = new Map<string, ClusterObject>();
  readonly #watches = new Set<http.ServerResponse>();
  readonly #kind: 'Endpoints' | 'EndpointSlice';
  #server: http.Server | undefined;
  port = 0;

  constructor(kind: 'Endpoints' | 'EndpointSlice') {
    this.#kind = kind;
  }

  async start(): Promise<this> {
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

  get watches(): number {
    return this.#watches.size;
  }

  put(
    namespace: string,
    name: string,
    rest: Omit<ClusterObject, 'metadata'>,
    service = name,
  ): void {
    const key = `${namespace}/${name}`;
    const type = this.#objects.has(key) ? 'MODIFIED' : 'ADDED';
    const object = this.#stamped(namespace, name, rest, service);
    this.#objects.set(key, object);
    this.#tell(type, object);
  }

  /** `silently`: while nobody watches, so that only a new list tells of it. */
  remove(namespace: string, name: string, { silently = false } = {}): void {
    const key = `${namespace}/${name}`;
    const object = this.#objects.get(key);
    this.#objects.delete(key);
    this.#version += 1;
    if (object !== undefined && !silently) this.#tell('DELETED', object);
  }

  /** Ends all watches with what a server says of a version that it has forgotten. */
  expire(): void {
    this.#version += 1;
    this.oldestVersion = this.#version;
    for (const watch of this.#watches) watch.end(`${JSON.stringify(GONE)}\n`);
  }

  #stamped(
    namespace: string,
    name: string,
    rest: Omit<ClusterObject, 'metadata'>,
    service: string,
  ): ClusterObject {
    this.#version += 1;
    const labels = { 'kubernetes.io/service-name': service };
    return {
      metadata: { namespace, name, labels, resourceVersion: String(this.#version) },
      ...rest,
    };
  }

  #tell(type: string, object: ClusterObject): void {
    const text = JSON.stringify({ type, object });
    for (const watch of this.#watches) {
      // in two pieces: an event is no chunk
      watch.write(text.slice(0, 20));
      watch.write(`${text.slice(20)}\n`);
    }
  }

  #serve(request: http.IncomingMessage, response: http.ServerResponse): void {
    const url = new URL(request.url ?? '', 'http://cluster');
    this.asked.push(url);
    const token = request.headers.authorization ?? '';
    if (this.tokens.size > 0 && !this.tokens.has(token.replace('Bearer ', ''))) {
      response.writeHead(401).end('{"kind":"Status","code":401}');
      return;
    }
    if (url.searchParams.get('watch') !== 'true') {
      response.end(JSON.stringify(this.#list(Number(url.searchParams.get('continue') ?? 0))));
      return;
    }
    response.writeHead(200);
    if (Number(url.searchParams.get('resourceVersion')) < this.oldestVersion) {
      response.end(`${JSON.stringify(GONE)}\n`);
      return;
    }
    response.flushHeaders();
    this.#watches.add(response);
    response.once('close', () => this.#watches.delete(response));
  }

  #list(from: number): object {
    const objects = [...this.#objects.values()];
    const next = from + this.pageSize;
    return {
      kind: `${this.#kind}List`,
      metadata: {
        resourceVersion: String(this.#version),
        ...(next < objects.length && { continue: String(next) }),
      },
      items: objects.slice(from, next),
    };
  }
}

const GONE = { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } };

/** Endpoints with one port. */
export function endpoints(port: number, name: string | undefined, ...hosts: string[]) {
  const ports = [{ port, ...(name !== undefined && { name }) }];
  return { subsets: [{ addresses: hosts.map((ip) => ({ ip })), ports }] };
}

/** A slice with one port; hosts with `!` before them are not ready. */
export function slice(port: number, name: string, ...hosts: string[]) {
  return {
    ports: [{ port, name }],
    endpoints: hosts.map((host) => ({
      addresses: [host.replace('!', '')],
      conditions: { ready: !host.startsWith('!') },
    })),
  };
}
