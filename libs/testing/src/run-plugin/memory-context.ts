import { GatewayError, HeaderList } from '@polygate/plugin-sdk';
import type {
  AnswerObserver,
  BodyObserver,
  ClientRequest,
  ClientResponse,
  ConsumerMatch,
  ContextKey,
  LocalReply,
  Logger,
  MatchedResources,
  MatchedRoute,
  Peer,
  QueryArgument,
  RequestContext,
  UpstreamAttempt,
  UpstreamHandle,
  Variables,
} from '@polygate/plugin-sdk';

/** One value, or several headers of that name. */
export type HeaderInit = Readonly<Record<string, string | readonly string[]>>;

/** What a test says of the request; the rest is `GET /hello` from 127.0.0.1 on route 1. */
export interface RequestInit {
  readonly method?: string;
  /** Path and query as the client sends them. */
  readonly target?: string;
  readonly scheme?: string;
  readonly headers?: HeaderInit;
  readonly body?: string | Buffer;
  readonly clientAddress?: string;
  /** `null`: no route matched. */
  readonly route?: Partial<MatchedRoute> | null;
  /** Variables beyond the ones that follow from the request. */
  readonly vars?: Readonly<Record<string, string>>;
  /** By auth plugin, then by key. */
  readonly consumersByKey?: Readonly<Record<string, Readonly<Record<string, ConsumerMatch>>>>;
  readonly consumersByName?: Readonly<Record<string, ConsumerMatch>>;
  readonly resources?: Partial<MatchedResources>;
  /** Ids of the upstreams that there are. */
  readonly upstreams?: readonly string[];
  readonly bytesReceived?: number;
  readonly startTimeMs?: number;
}

const BODY_BYTES_MAX = 64 * 1024 * 1024;

/** A RequestContext in memory, for tests. What the gateway would set is a plain field here. */
export class MemoryContext implements RequestContext {
  readonly request: MemoryRequest;
  readonly response = new MemoryResponse();
  client: Peer;
  readonly server: Peer = { address: '127.0.0.1', port: 9080 };
  readonly startTimeMs: number;
  readonly route: MatchedRoute | undefined;
  consumer: ConsumerMatch | undefined;
  readonly vars: Variables;
  readonly attempts: UpstreamAttempt[] = [];
  readonly skippedPlugins = new Set<string>();
  bytesSent = 0;
  /** To be made to answers of the gateway's own. */
  readonly replyChanges: ((reply: LocalReply) => LocalReply)[] = [];
  /** By the plugin; undefined: the route's. */
  chosenUpstream: UpstreamHandle | undefined;
  readonly bytesReceived: number;
  readonly signal = new AbortController().signal;
  readonly log: Logger;
  readonly #values = new Map<ContextKey<unknown>, unknown>();
  readonly #init: RequestInit;

  constructor(init: RequestInit, log: Logger) {
    this.#init = init;
    this.log = log;
    this.request = new MemoryRequest(init);
    this.client = { address: init.clientAddress ?? '127.0.0.1', port: 51234 };
    this.startTimeMs = init.startTimeMs ?? Date.now();
    this.bytesReceived = init.bytesReceived ?? 0;
    this.vars = new MemoryVariables(this, init.vars ?? {});
    this.route =
      init.route === null
        ? undefined
        : {
            id: '1',
            name: undefined,
            serviceId: undefined,
            serviceName: undefined,
            labels: undefined,
            matchedPath: '/*',
            ...init.route,
          };
  }

  get<T>(key: ContextKey<T>): T | undefined {
    return this.#values.get(key) as T | undefined;
  }

  set<T>(key: ContextKey<T>, value: T): void {
    this.#values.set(key, value);
  }

  findConsumer(plugin: string, key: string): ConsumerMatch | undefined {
    return own(own(this.#init.consumersByKey, plugin), key);
  }

  findConsumerByName(username: string): ConsumerMatch | undefined {
    return own(this.#init.consumersByName, username);
  }

  findUpstream(id: string): UpstreamHandle | undefined {
    return this.#init.upstreams?.includes(id) === true ? { id } : undefined;
  }

  useUpstream(upstream: UpstreamHandle): void {
    this.chosenUpstream = upstream;
  }

  skipPlugin(name: string): void {
    this.skippedPlugins.add(name);
  }

  onReply(change: (reply: LocalReply) => LocalReply): void {
    this.replyChanges.push(change);
  }

  getResources(): MatchedResources {
    const none = { route: undefined, service: undefined, consumer: undefined };
    return { ...none, ...this.#init.resources };
  }

  attachConsumer(consumer: ConsumerMatch): void {
    this.consumer = consumer;
    const { headers } = this.request;
    headers.set('X-Consumer-Username', consumer.username);
    setOrDelete(headers, 'X-Credential-Identifier', consumer.credentialId);
    setOrDelete(headers, 'X-Consumer-Custom-ID', consumer.customId);
  }
}

class MemoryRequest implements ClientRequest {
  readonly observers: BodyObserver[] = [];
  method: string;
  readonly scheme: string;
  readonly host: string;
  readonly rawTarget: string;
  readonly path: string;
  upstreamPath: string | undefined;
  query: string;
  upstreamHost: string | undefined;
  readonly headers: HeaderList;
  #body: Buffer | undefined;

  constructor(init: RequestInit) {
    this.method = init.method ?? 'GET';
    this.scheme = init.scheme ?? 'http';
    this.rawTarget = init.target ?? '/hello';
    const mark = this.rawTarget.indexOf('?');
    this.path = decode(mark === -1 ? this.rawTarget : this.rawTarget.slice(0, mark), false);
    this.query = mark === -1 ? '' : this.rawTarget.slice(mark + 1);
    this.headers = headerList(init.headers ?? {});
    this.host = (this.headers.get('host') ?? '').replace(/:\d+$/, '').toLowerCase();
    this.#body = init.body === undefined ? undefined : Buffer.from(init.body);
  }

  get hasBody(): boolean {
    return this.#body !== undefined;
  }

  getArguments(): readonly QueryArgument[] {
    const pairs = this.query.split('&').filter((pair) => pair !== '');
    return pairs.map((pair) => {
      const equals = pair.indexOf('=');
      return equals === -1
        ? { name: decode(pair, true), value: undefined }
        : {
            name: decode(pair.slice(0, equals), true),
            value: decode(pair.slice(equals + 1), true),
          };
    });
  }

  setArguments(args: readonly QueryArgument[]): void {
    this.query = args
      .map(({ name, value }) =>
        value === undefined
          ? encodeURIComponent(name)
          : `${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
      )
      .join('&');
  }

  readBody(bytesMax = BODY_BYTES_MAX): Promise<Buffer | undefined> {
    const body = this.#body;
    if (body !== undefined && body.length > bytesMax) {
      const message = `${body.length} bytes, ${bytesMax} allowed`;
      return Promise.reject(new GatewayError('REQUEST_BODY_TOO_LARGE', message));
    }
    return Promise.resolve(body);
  }

  setBody(body: Buffer): void {
    this.#body = body;
  }

  observeBody(observer: BodyObserver): void {
    this.observers.push(observer);
  }

  /** What the upstream gets. */
  get body(): Buffer | undefined {
    return this.#body;
  }
}

class MemoryResponse implements ClientResponse {
  readonly observers: AnswerObserver[] = [];
  status = 0;
  headers = new HeaderList();
  source: 'upstream' | 'gateway' = 'gateway';
  readonly early = new HeaderList();
  trailers: HeaderList | undefined = undefined;
  held = false;
  /** In the `response` phase. */
  body: Buffer = Buffer.alloc(0);

  clearContentLength(): void {
    this.headers.delete('Content-Length');
  }

  holdBody(): void {
    this.held = true;
  }

  observe(observer: AnswerObserver): void {
    this.observers.push(observer);
  }

  readBody(bytesMax = BODY_BYTES_MAX): Promise<Buffer> {
    if (this.body.length <= bytesMax) return Promise.resolve(this.body);
    const message = `${this.body.length} bytes, ${bytesMax} allowed`;
    return Promise.reject(new GatewayError('RESPONSE_BODY_TOO_LARGE', message));
  }

  setBody(body: Buffer): void {
    this.body = body;
  }
}

class MemoryVariables implements Variables {
  readonly #ctx: MemoryContext;
  readonly #overrides: Map<string, string | undefined | (() => string)>;

  constructor(ctx: MemoryContext, init: Readonly<Record<string, string>>) {
    this.#ctx = ctx;
    this.#overrides = new Map(Object.entries(init));
  }

  get(name: string): string | undefined {
    if (this.#overrides.has(name)) {
      const value = this.#overrides.get(name);
      return typeof value === 'function' ? value() : value;
    }
    const { request, client } = this.#ctx;
    if (name.startsWith('http_')) return request.headers.get(name.slice(5).replaceAll('_', '-'));
    if (name.startsWith('arg_')) {
      return request.getArguments().find((argument) => argument.name === name.slice(4))?.value;
    }
    if (name.startsWith('cookie_')) return cookie(request.headers, name.slice(7));
    switch (name) {
      case 'uri':
        return request.path;
      case 'request_uri':
      case 'real_request_uri':
        return request.rawTarget;
      case 'args':
      case 'query_string':
        return request.query;
      case 'is_args':
        return request.query === '' ? '' : '?';
      case 'request_method':
        return request.method;
      case 'host':
        return request.host;
      case 'scheme':
        return request.scheme;
      case 'remote_addr':
        return client.address;
      case 'remote_port':
        return String(client.port);
      case 'status':
        return String(this.#ctx.response.status);
      case 'route_id':
        return this.#ctx.route?.id;
      case 'consumer_name':
        return this.#ctx.consumer?.username;
      default:
        return undefined;
    }
  }

  set(name: string, value: string | undefined | (() => string)): void {
    this.#overrides.set(name, value);
  }
}

export function headerList(init: HeaderInit): HeaderList {
  const list = new HeaderList();
  for (const [name, value] of Object.entries(init)) {
    for (const one of typeof value === 'string' ? [value] : value) list.append(name, one);
  }
  return list;
}

function setOrDelete(headers: HeaderList, name: string, value: string | undefined): void {
  if (value === undefined) headers.delete(name);
  else headers.set(name, value);
}

function own<T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;
}

function cookie(headers: HeaderList, name: string): string | undefined {
  const pairs = (headers.get('cookie') ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
}

function decode(text: string, plusIsSpace: boolean): string {
  const spaced = plusIsSpace ? text.replaceAll('+', ' ') : text;
  try {
    return decodeURIComponent(spaced);
  } catch (error) {
    if (error instanceof URIError) return spaced; // nginx keeps what it cannot decode
    throw error;
  }
}
