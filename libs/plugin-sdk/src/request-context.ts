import type { ContextKey } from './context-key.ts';
import type { HeaderList } from './header-list.ts';
import type { LocalReply } from './local-reply.ts';

/** One query argument. `value` is undefined for `?a` and empty for `?a=`. Both are decoded. */
export interface QueryArgument {
  readonly name: string;
  readonly value: string | undefined;
}

/** The request on its way to the upstream. What plugins change here is what the upstream gets. */
export interface ClientRequest {
  method: string;
  /** `http` or `https`: how the client came. */
  readonly scheme: string;
  /** Lower case, without port; empty when the client sent none. */
  readonly host: string;
  /** The request target as it came, never changed. */
  readonly rawTarget: string;
  /** Decoded and normalised path that the route was matched with: nginx's `$uri`. */
  readonly path: string;
  /** Path sent to the upstream, percent-encoded, without query; undefined sends the client's. */
  upstreamPath: string | undefined;
  /** Query string without `?`, as it will be sent; empty when there is none. */
  query: string;
  /** Host header for the upstream; undefined sends what the upstream's `pass_host` says. */
  upstreamHost: string | undefined;
  readonly headers: HeaderList;
  /** Parsed from `query`; setting it writes `query` anew. */
  getArguments(): readonly QueryArgument[];
  setArguments(args: readonly QueryArgument[]): void;
  /** Whether there is one, possibly of no bytes: nothing is read for the answer. */
  readonly hasBody: boolean;
  /**
   * The whole body. Buffers it, up to `bytesMax`; rejects with the GatewayError
   * `REQUEST_BODY_TOO_LARGE` (413) past that. Undefined when the request has none.
   */
  readBody(bytesMax?: number): Promise<Buffer | undefined>;
  /** Replaces the body; Content-Length follows. */
  setBody(body: Buffer): void;
  /**
   * Sees what the next node is sent of the body, as it is sent. To be called in beforeProxy, and of no
   * effect later.
   */
  observeBody(observer: BodyObserver): void;
}

/** Sees bytes pass by; they are others' to change, but not before the call returns. */
export interface BodyObserver {
  onChunk(chunk: Buffer): void;
  onEnd(): void;
  /** The rest will not come. */
  onCut(): void;
}

/** Sees the upstream's answer as it came, before any filter. */
export interface AnswerObserver extends BodyObserver {
  onHead(status: number, headers: HeaderList): void;
}

/** The response on its way to the client. Valid from the `response` phase on. */
export interface ClientResponse {
  status: number;
  readonly headers: HeaderList;
  /** `upstream` when an upstream answered, `gateway` for every local reply and error page. */
  readonly source: 'upstream' | 'gateway';
  /** Headers that earlier phases want on the response, whoever answers. Applied before headerFilter. */
  readonly early: HeaderList;
  /** What the upstream sent behind the body: known to the last call of a body filter, and in `log`. */
  readonly trailers: HeaderList | undefined;
  /**
   * Call in headerFilter when a bodyFilter changes the length: Content-Length goes, and the body is
   * sent in chunks.
   */
  clearContentLength(): void;
  /**
   * Call in headerFilter when the filter needs the whole body: bodyFilter then gets it in one piece
   * with `last` set.
   */
  holdBody(): void;
  /**
   * In the `response` phase only: the whole body, as the upstream sent it or as an earlier plugin set
   * it; empty when there is none. Buffers it, up to `bytesMax`: past that it rejects with the
   * GatewayError RESPONSE_BODY_TOO_LARGE (502), and with UPSTREAM_PROTOCOL when it is cut short.
   */
  readBody(bytesMax?: number): Promise<Buffer>;
  /** In the `response` phase only: replaces the body; Content-Length follows. */
  setBody(body: Buffer): void;
  /** To be called before the upstream has answered. */
  observe(observer: AnswerObserver): void;
}

export interface Peer {
  readonly address: string;
  readonly port: number;
}

/** Which object the request was matched with, after merging. */
export interface MatchedRoute {
  readonly id: string;
  readonly name: string | undefined;
  readonly serviceId: string | undefined;
  readonly serviceName: string | undefined;
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** The pattern of `uri`/`uris` that matched. */
  readonly matchedPath: string;
  /** The pattern of `host`/`hosts` that matched; absent when the route names no host. */
  readonly matchedHost?: string | undefined;
}

/** A consumer and the credential that named it. */
export interface ConsumerMatch {
  readonly username: string;
  readonly groupId: string | undefined;
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly customId: string | undefined;
  readonly credentialId: string | undefined;
  /** The auth plugin's conf on the consumer or credential, validated. */
  readonly authConf: Readonly<Record<string, unknown>>;
}

/** The objects of the configuration behind a request, with defaults filled in. Not to be changed. */
export interface MatchedResources {
  readonly route: Readonly<Record<string, unknown>> | undefined;
  readonly service: Readonly<Record<string, unknown>> | undefined;
  readonly consumer: Readonly<Record<string, unknown>> | undefined;
}

/** Looks up `$`-variables of nginx and APISIX by name, without `$`. */
export interface Variables {
  get(name: string): string | undefined;
  /** Overrides a variable for the rest of the request; a function is asked when somebody wants it. */
  set(name: string, value: string | undefined | (() => string)): void;
}

export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** An upstream that requests can be sent to. What is in it is the gateway's. */
export interface UpstreamHandle {
  /** Undefined where it is no object of the configuration. */
  readonly id: string | undefined;
}

export interface UpstreamAttempt {
  readonly address: string;
  /** Undefined until the upstream answers. */
  status: number | undefined;
  /** Milliseconds from the start of connecting to the response head. */
  headerTimeMs: number | undefined;
  /** Milliseconds until the last byte. */
  responseTimeMs: number | undefined;
  /** Of the body, as it came; left out: none did. */
  bodyBytes?: number;
}

/**
 * One request, from its head to its log line. Every field exists from the start, so that all
 * contexts share one hidden class; plugins pass values through `contextKey`, never by adding
 * properties.
 */
export interface RequestContext {
  readonly request: ClientRequest;
  readonly response: ClientResponse;
  /** The connection's peer; `real-ip` may replace it. */
  client: Peer;
  readonly server: Peer;
  /** Milliseconds since the epoch at which the request head was complete. */
  readonly startTimeMs: number;
  /** Undefined in global rules of a request that no route matched. */
  readonly route: MatchedRoute | undefined;
  readonly consumer: ConsumerMatch | undefined;
  readonly vars: Variables;
  readonly attempts: readonly UpstreamAttempt[];
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  get<T>(key: ContextKey<T>): T | undefined;
  set<T>(key: ContextKey<T>, value: T): void;
  /** Finds the consumer whose conf of this auth plugin has this key (`PluginDefinition.consumerKey`). */
  findConsumer(plugin: string, key: string): ConsumerMatch | undefined;
  findConsumerByName(username: string): ConsumerMatch | undefined;
  /** An upstream of the configuration. */
  findUpstream(id: string): UpstreamHandle | undefined;
  /** Sends the request there, and not to what the route says. The last call counts. */
  useUpstream(upstream: UpstreamHandle): void;
  /** Phases of that plugin that are still to come do not run, whatever it is bound to. */
  skipPlugin(name: string): void;
  /**
   * Every answer of the gateway's own to this request goes through it, in the order they were given,
   * before any filter sees it.
   */
  onReply(change: (reply: LocalReply) => LocalReply): void;
  /** For a plugin that hands them on, as opa does; secrets in them are in the clear. */
  getResources(): MatchedResources;
  /**
   * Makes it the request's consumer: its plugins join the chain, and the upstream gets
   * X-Consumer-Username, X-Credential-Identifier and X-Consumer-Custom-ID.
   */
  attachConsumer(consumer: ConsumerMatch): void;
}
