// Test-only: Nacos's open API, version 1, as far as discovery goes: login, instances by place.
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TestInstance {
  readonly ip: string;
  readonly port: number;
  readonly weight?: number | undefined;
  readonly healthy?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
}

export class NacosTestServer {
  /** Of questions for instances. */
  readonly asked: URLSearchParams[] = [];
  logins = 0;
  /** Empty: anybody may ask. */
  password = '';
  /** Names of services that it does not manage to answer for. */
  readonly broken = new Set<string>();
  port = 0;
  readonly #services = new Map<string, readonly TestInstance[]>();
  readonly #tokens = new Set<string>();
  #server: http.Server | undefined;

  get host(): string {
    const credentials = this.password === '' ? '' : `nacos:${this.password}@`;
    return `http://${credentials}127.0.0.1:${this.port}`;
  }

  async start(): Promise<this> {
    this.#server = http.createServer((request, response) => {
      const { status, body } = this.#answer(request.method ?? '', request.url ?? '');
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(body));
    });
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

  /** `place` as `namespace/group`. */
  set(name: string, instances: readonly TestInstance[], place = 'public/DEFAULT_GROUP'): void {
    this.#services.set(`${place}/${name}`, instances);
  }

  #answer(method: string, target: string): { status: number; body: object } {
    const { pathname, searchParams: query } = new URL(target, 'http://nacos');
    if (pathname === '/nacos/v1/auth/login' && method === 'POST') return this.#login(query);
    if (pathname !== '/nacos/v1/ns/instance/list') return refusal(404, 'Not Found');
    this.asked.push(query);
    if (this.password !== '' && !this.#tokens.has(query.get('accessToken') ?? '')) {
      return refusal(403, 'Forbidden');
    }
    const name = query.get('serviceName') ?? '';
    if (this.broken.has(name)) return refusal(500, 'Internal Server Error');
    return { status: 200, body: this.#list(name, query) };
  }

  #login(query: URLSearchParams): { status: number; body: object } {
    this.logins += 1;
    if (query.get('username') !== 'nacos' || query.get('password') !== this.password) {
      return refusal(403, 'unknown user!');
    }
    const accessToken = `token-${this.logins}`;
    this.#tokens.add(accessToken);
    const body = { accessToken, tokenTtl: 18_000, globalAdmin: true, username: 'nacos' };
    return { status: 200, body };
  }

  #list(name: string, query: URLSearchParams): object {
    const group = query.get('groupName') ?? 'DEFAULT_GROUP';
    const place = `${query.get('namespaceId') ?? 'public'}/${group}`;
    const onlyHealthy = query.get('healthyOnly') === 'true';
    const instances = this.#services.get(`${place}/${name}`) ?? [];
    const serviceName = `${group}@@${name}`;
    const hosts = instances
      .filter(({ healthy = true }) => healthy || !onlyHealthy)
      .map(({ ip, port, weight, healthy = true, metadata = {} }) => ({
        instanceId: `${ip}#${port}#DEFAULT#${serviceName}`,
        ...{ ip, port, weight, healthy, metadata, serviceName },
        enabled: true,
        ephemeral: true,
        clusterName: 'DEFAULT',
      }));
    return {
      ...{ name: serviceName, groupName: group, clusters: '', hosts },
      cacheMillis: 10_000,
      lastRefTime: 0,
      checksum: '',
      valid: true,
    };
  }
}

function refusal(status: number, message: string): { status: number; body: object } {
  return { status, body: { timestamp: 0, status, error: message, message } };
}
