import type {
  ConsumerMatch,
  ContextKey,
  LocalReply,
  Logger,
  MatchedResources,
  Peer,
  RequestContext,
  UpstreamAttempt,
  UpstreamHandle,
} from '@polygate/plugin-sdk';
import type { TraceHeaders } from '@polygate/chassis';
import type { CompiledRoute, ConfigSnapshot } from '../config/config-snapshot.ts';
import type { DebugTrace } from '../pipeline/debug-trace.ts';
import type { PluginChain, Step } from '../pipeline/plugin-chain.ts';
import type { CallTraffic } from '../proxy/upstream-transport.ts';
import type { CompiledNode, CompiledUpstream } from '../upstream/compiled-upstream.ts';
import { DEFAULT_BODY_LIMITS } from './body-variables.ts';
import type { BodyVariableLimits } from './body-variables.ts';
import { GatewayRequest } from './client-request.ts';
import { GatewayResponse } from './client-response.ts';
import type { Exchange } from './exchange.ts';
import type { OriginalForwarded } from './forwarded-headers.ts';
import type { FindClient } from './real-ip.ts';
import type { RequestTarget } from './request-target.ts';
import { randomId } from './random-id.ts';
import { RequestVariables } from './variables.ts';

export interface GatewayAttempt extends UpstreamAttempt {
  /** Of a node that is a name: the name until it answers, and then what it was resolved to. */
  address: string;
  /** Undefined until the node answers. */
  remoteAddress?: string | undefined;
  /** Undefined until it is under way. */
  traffic: CallTraffic | undefined;
}

/** One request. All fields exist from the constructor on: one hidden class for all requests. */
export class GatewayContext implements RequestContext {
  readonly exchange: Exchange;
  readonly snapshot: ConfigSnapshot;
  readonly request: GatewayRequest;
  readonly response: GatewayResponse;
  readonly vars: RequestVariables;
  readonly log: Logger;
  readonly startTimeMs: number;
  readonly bodyLimits: BodyVariableLimits;
  client: Peer;
  route: RequestContext['route'] = undefined;
  compiledRoute: CompiledRoute | undefined = undefined;
  consumer: ConsumerMatch | undefined = undefined;
  chain: PluginChain;
  globalRules: PluginChain;
  /** By a plugin, in the place of the route's. */
  chosenUpstream: CompiledUpstream | undefined = undefined;
  upstream: CompiledUpstream | undefined = undefined;
  pickedNode: CompiledNode | undefined = undefined;
  readonly attempts: GatewayAttempt[] = [];
  /** What the client said of itself in X-Forwarded-… and Forwarded; undefined: nothing. */
  originalForwarded: OriginalForwarded | undefined = undefined;
  bodyBytesSent = 0;
  /** Whose phases do not run any more. */
  skippedPlugins: Set<string> | undefined = undefined;
  /** Answers of `_meta.filter`, once per plugin and request. */
  filterResults: Map<Step['owner'], boolean> | undefined = undefined;
  /** Undefined but in debug mode. */
  debugTrace: DebugTrace | undefined = undefined;
  /** W3C headers of the request's span; undefined when it is not traced. */
  traceContext: TraceHeaders | undefined = undefined;
  #abort: AbortController | undefined;
  #aborted = false;
  #values: Map<ContextKey<unknown>, unknown> | undefined;
  #requestId: string | undefined;
  #replyChanges: ((reply: LocalReply) => LocalReply)[] | undefined;

  constructor(parts: {
    exchange: Exchange;
    target: RequestTarget;
    snapshot: ConfigSnapshot;
    chain: PluginChain;
    log: Logger;
    bodyBytesMax: number;
    findClient: FindClient;
    /** Default: APISIX's. */
    bodyLimits?: BodyVariableLimits | undefined;
  }) {
    this.exchange = parts.exchange;
    this.snapshot = parts.snapshot;
    this.chain = parts.chain;
    this.globalRules = parts.snapshot.globalRules;
    this.log = parts.log;
    this.client = parts.findClient(parts.exchange.client, parts.exchange.headers);
    this.startTimeMs = Date.now();
    this.request = new GatewayRequest(parts.exchange, parts.target, parts.bodyBytesMax);
    this.response = new GatewayResponse();
    this.bodyLimits = parts.bodyLimits ?? DEFAULT_BODY_LIMITS;
    this.vars = new RequestVariables(this);
  }

  /** The client went away. */
  abort(): void {
    this.#aborted = true;
    this.#abort?.abort();
  }

  get server(): Peer {
    return this.exchange.server;
  }

  get bytesSent(): number {
    return this.exchange.bytesSent;
  }

  get bytesReceived(): number {
    return this.exchange.bytesReceived;
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  /** Made when first asked for: most requests need none. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#aborted) this.#abort.abort();
    }
    return this.#abort.signal;
  }

  get requestId(): string {
    return (this.#requestId ??= randomId());
  }

  get<T>(key: ContextKey<T>): T | undefined {
    return this.#values?.get(key) as T | undefined;
  }

  set<T>(key: ContextKey<T>, value: T): void {
    this.#values ??= new Map();
    this.#values.set(key, value);
  }

  findConsumer(plugin: string, key: string): ConsumerMatch | undefined {
    return this.snapshot.consumers.findByKey(plugin, key);
  }

  findConsumerByName(username: string): ConsumerMatch | undefined {
    return this.snapshot.consumers.findByName(username);
  }

  findUpstream(id: string): UpstreamHandle | undefined {
    return this.snapshot.upstreams.get(id);
  }

  useUpstream(upstream: UpstreamHandle): void {
    // handles come from `findUpstream` and the environment's `compileUpstream` alone
    this.chosenUpstream = upstream as CompiledUpstream;
  }

  skipPlugin(name: string): void {
    (this.skippedPlugins ??= new Set()).add(name);
  }

  onReply(change: (reply: LocalReply) => LocalReply): void {
    (this.#replyChanges ??= []).push(change);
  }

  /** What becomes of an answer of the gateway's own. */
  changedReply(reply: LocalReply): LocalReply {
    if (this.#replyChanges === undefined) return reply;
    return this.#replyChanges.reduce((current, change) => change(current), reply);
  }

  getResources(): MatchedResources {
    const { compiledRoute, consumer } = this;
    return {
      route: compiledRoute?.resource,
      service: compiledRoute?.serviceResource,
      consumer: consumer === undefined ? undefined : compiledRoute?.consumerResource(consumer),
    };
  }

  attachConsumer(consumer: ConsumerMatch): void {
    this.consumer = consumer;
    const { headers } = this.request;
    headers.setKnown('X-Consumer-Username', 'x-consumer-username', consumer.username);
    // A client must not pass off its own values as ours.
    const { credentialId, customId } = consumer;
    if (credentialId === undefined) headers.deleteKnown('x-credential-identifier');
    else headers.set('X-Credential-Identifier', credentialId);
    if (customId === undefined) headers.deleteKnown('x-consumer-custom-id');
    else headers.set('X-Consumer-Custom-ID', customId);
  }
}
