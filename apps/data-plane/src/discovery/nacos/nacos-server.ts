import { createHmac } from 'node:crypto';
import type { NacosDiscoveryConfig } from '@polygate/chassis';
import { numberIn } from '../registry-poll.ts';
import type { PolledServer } from '../registry-poll.ts';

/** A service of Nacos. */
export interface NacosService {
  readonly namespace: string;
  readonly group: string;
  readonly name: string;
}

export interface NacosInstance {
  readonly host: string;
  readonly port: number;
  /** For gRPC where it has one of its own: `gRPC_port` in its metadata. */
  readonly grpcPort: number;
  readonly weight: number;
}

interface WrittenInstance {
  readonly ip?: unknown;
  readonly port?: unknown;
  readonly weight?: unknown;
  readonly metadata?: Readonly<Record<string, unknown>> | null;
}

/** Nacos's open API, version 1: apisix/discovery/nacos/client.lua. */
export class NacosServer {
  readonly #server: PolledServer;
  readonly #config: NacosDiscoveryConfig;
  readonly #signal: AbortSignal;

  constructor(server: PolledServer, config: NacosDiscoveryConfig, signal: AbortSignal) {
    this.#server = server;
    this.#config = config;
    this.#signal = signal;
  }

  /** The token that further questions show; undefined: none is needed. Rejects when it gets none. */
  async login(): Promise<string | undefined> {
    const { credentials = '' } = this.#server;
    const colon = credentials.indexOf(':');
    if (colon === -1) return undefined;
    const query = new URLSearchParams({
      username: credentials.slice(0, colon),
      password: credentials.slice(colon + 1),
    });
    const answer = (await this.#ask('POST', '/auth/login', query)) as { accessToken?: unknown };
    const { accessToken } = Object(answer) as typeof answer;
    if (typeof accessToken !== 'string' || accessToken === '') {
      throw new Error('nacos login response missing accessToken');
    }
    return accessToken;
  }

  /** Instances that are healthy. Rejects with a sentence for everything but 200. */
  async instances(
    { namespace, group, name }: NacosService,
    token: string | undefined,
  ): Promise<readonly NacosInstance[]> {
    const query = new URLSearchParams({
      healthyOnly: 'true',
      serviceName: name,
      ...(token !== undefined && { accessToken: token }),
      namespaceId: namespace,
      groupName: group,
      ...this.#signature(group, name),
    });
    const answer = (await this.#ask('GET', '/ns/instance/list', query)) as { hosts?: unknown };
    const { hosts } = Object(answer) as typeof answer;
    if (!Array.isArray(hosts)) return [];
    return hosts.map((host) => this.#instanceOf(Object(host) as WrittenInstance));
  }

  /** As Alibaba Cloud's Nacos wants it. */
  #signature(group: string, name: string): Record<string, string> {
    const { accessKey, secretKey } = this.#config;
    if (accessKey === '' || secretKey === '') return {};
    const data = `${Date.now()}@@${group}@@${name}`;
    const signature = createHmac('sha1', secretKey).update(data).digest('base64');
    return { ak: accessKey, data, signature };
  }

  #instanceOf({ ip, port, weight, metadata }: WrittenInstance): NacosInstance {
    // whether they are what nodes have is checked where they are used
    const plain = port as number;
    const grpc = metadata?.['gRPC_port'];
    return {
      host: ip as string,
      port: plain,
      grpcPort: grpc === undefined ? plain : (numberIn(grpc) ?? (grpc as number)),
      weight: (weight ?? this.#config.weight) as number,
    };
  }

  async #ask(method: 'GET' | 'POST', path: string, query: URLSearchParams): Promise<unknown> {
    const { status, text } = await this.#server.client.ask({
      method,
      path: `${path}?${query.toString()}`,
      headers: { Accept: 'application/json' },
      readTimeoutMs: this.#config.readTimeoutMs,
      signal: this.#signal,
    });
    if (status !== 200) throw new Error(`status = ${status}`);
    return JSON.parse(text);
  }
}
