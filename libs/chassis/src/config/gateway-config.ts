import type { DiscoveryConfig } from './discovery-config.ts';

/** An address to listen on. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface NodeListen extends ListenAddress {
  /** HTTP/2 in clear text (prior knowledge) beside HTTP/1.1: `apisix.enable_http2`. */
  readonly http2: boolean;
}

export type TlsProtocol = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

/** TLS with clients, and whom upstreams are trusted to be certified by: `apisix.ssl`. */
export interface SslConfig {
  readonly enabled: boolean;
  readonly listen: readonly ListenAddress[];
  /** HTTP/2 beside HTTP/1.1, by ALPN: `apisix.enable_http2`. */
  readonly http2: boolean;
  /** At least one. */
  readonly protocols: readonly TlsProtocol[];
  /** OpenSSL's names with colons between; for TLS 1.2 and older. */
  readonly ciphers: string;
  readonly sessionTickets: boolean;
  /** Stands in for clients that send no server name. */
  readonly fallbackServerName: string | undefined;
  /** Absolute; absent: the system's authorities. */
  readonly trustedCaFile?: string;
}

export interface EtcdTlsConfig {
  readonly verify: boolean;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly serverName?: string;
}

export interface EtcdConfig {
  /** URLs, `http://` or `https://`, without a trailing slash. */
  readonly endpoints: readonly string[];
  /** As `/apisix`, without a trailing slash. */
  readonly prefix: string;
  readonly username?: string;
  readonly password?: string;
  /** For one call: connect, read or write. */
  readonly timeoutMs: number;
  /** A watch without an event for this long is begun anew. */
  readonly watchTimeoutMs: number;
  /** Wait before syncing again after a failure, to which up to half of it is added at random. */
  readonly resyncDelayMs: number;
  /** Attempts after the first one when the process starts. */
  readonly startupRetriesMax: number;
  readonly tls: EtcdTlsConfig;
}

export interface AdminKey {
  readonly name: string;
  readonly key: string;
  readonly role: 'admin' | 'viewer';
}

export interface AdminConfig {
  /** `apisix.enable_admin`; always on in a control plane, always off in a data plane. */
  readonly enabled: boolean;
  readonly listen: ListenAddress;
  readonly keyRequired: boolean;
  /** Empty when none is set: the admin API then makes one. There is no built-in key. */
  readonly keys: readonly AdminKey[];
  /** Empty: nobody may call, as with an empty list in APISIX. */
  readonly allowCidrs: readonly string[];
  readonly cors: boolean;
  /** `enable_admin_ui`. */
  readonly ui: boolean;
  readonly https: boolean;
  readonly apiVersion: 'v3' | 'v2';
  /** `admin_api_mtls.*`; both present when `https` is true. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Signs client certificates; when set a client must show one. */
  readonly clientCaFile?: string;
}

export interface UpstreamKeepaliveConfig {
  /** Idle connections kept per worker: `nginx_config.http.upstream.keepalive`. */
  readonly connectionsMax: number;
  /** Requests after which a connection is closed. */
  readonly requestsMax: number;
  readonly idleTimeoutMs: number;
}

export interface HttpConfig {
  /** 0: unlimited. */
  readonly clientMaxBodyBytes: number;
  readonly keepaliveTimeoutMs: number;
  readonly clientHeaderTimeoutMs: number;
  /** Between two reads of a request body, not for the whole of it. */
  readonly clientBodyTimeoutMs: number;
  /** Between two writes to the client. */
  readonly sendTimeoutMs: number;
  readonly realIpHeader: string;
  readonly realIpRecursive: boolean;
  readonly realIpFrom: readonly string[];
  readonly underscoresInHeaders: boolean;
  readonly upstreamKeepalive: UpstreamKeepaliveConfig;
  /** Send the server name when connecting to an upstream by TLS. */
  readonly upstreamTlsServerName: boolean;
}

export interface AccessLogConfig {
  readonly enabled: boolean;
  /** Absolute; also `/dev/stdout` and `/dev/stderr`. */
  readonly file: string;
  /** Lines wait in memory until there is this much of them. */
  readonly bufferBytes: number;
  /** nginx `log_format` text. */
  readonly format: string;
  readonly escape: 'default' | 'json' | 'none';
}

/** Where clients of the gRPC services find them: `unix:<path>` or `host:port`. */
export interface ServiceAddress {
  readonly listen: string;
  readonly address: string;
}

/** PEM files of a runner manager; only clients whose certificate the authority has signed get in. */
export interface ListenTlsConfig {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string;
}

/** PEM files of who connects to runner managers on the network. */
export interface AddressTlsConfig {
  /** Undefined: the system's authorities. */
  readonly caFile?: string;
  /** With `keyFile`, or neither. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Name in the managers' certificates, where that is not the address. */
  readonly serverName?: string;
}

export interface RunnerManagerConfig extends ServiceAddress {
  /** Undefined: whoever reaches `listen` gets in. */
  readonly listenTls?: ListenTlsConfig;
  /** For `addresses` on the network; undefined: in clear. */
  readonly addressTls?: AddressTlsConfig;
  readonly connectTimeoutMs: number;
  readonly callTimeoutMs: number;
  /** Calls of one worker that wait for an answer; more are refused. */
  readonly inFlightMax: number;
  /** Of all runner managers, `address` alone where only one is named. Calls are spread over them. */
  readonly addresses: readonly string[];
}

/** A pool of plugin runners. */
export interface RunnerConfig {
  /** `default` for what `ext-plugin` says. */
  readonly name: string;
  readonly source: RunnerCommand | RunnerSocket;
  /** Names of its plugins: a conf entry of that name goes there; empty: those named to no runner. */
  readonly plugins: readonly string[];
  readonly instances: number;
  /** What it sees of our environment: `NAME`, or `NAME=value`. */
  readonly env: readonly string[];
  /** Absolute. */
  readonly cwd?: string;
  /** Name or number; ours where there is none. */
  readonly user?: string;
  /** A new generation when the program's file changes. */
  readonly watch: boolean;
  /** Calls of one instance at a time; more wait. */
  readonly inFlightMax?: number;
  readonly memoryBytesMax?: number;
  readonly filesMax?: number;
  readonly callTimeoutMs?: number;
  /** From the start of the process until it takes calls. */
  readonly startTimeoutMs: number;
  /** From SIGTERM to SIGKILL. */
  readonly stopTimeoutMs: number;
}

/** Program and arguments, run without a shell. */
export interface RunnerCommand {
  readonly cmd: readonly string[];
}

/** Somebody else's process. */
export interface RunnerSocket {
  /** Absolute. */
  readonly socketPath: string;
  /** Whether an answer without the call's id is a failure: not where APISIX's test runners answer. */
  readonly requiresReplyId: boolean;
}

export interface LimitsConfig {
  /** Request line and headers together. */
  readonly requestHeadBytesMax: number;
  readonly requestHeadersMax: number;
  /** Status line and headers of an upstream. */
  readonly responseHeadBytesMax: number;
  /** What a plugin may hold of one body in memory. */
  readonly bufferedBodyBytesMax: number;
  /** Open client connections per worker. */
  readonly connectionsMax: number;
  /** Path and query as they come: 414. */
  readonly requestTargetBytesMax: number;
  /** A request and its answer, HTTP/1 only; Infinity: no limit. */
  readonly requestTotalMs: number;
  /** Requests under way on one HTTP/2 connection: SETTINGS_MAX_CONCURRENT_STREAMS. */
  readonly http2StreamsMax: number;
  /** Requests after which an HTTP/2 connection is closed in good order. */
  readonly http2RequestsMax: number;
  /** Requests of one connection that may end without a whole answer within the window. */
  readonly http2ResetsMax: number;
  readonly http2ResetsWindowMs: number;
  /**
   * Bytes on one connection, beyond an eighth of what it carries, that belong to no request: PING,
   * SETTINGS, WINDOW_UPDATE, PRIORITY, padding, empty and unknown frames.
   */
  readonly http2OverheadBytesMax: number;
  /** Frames that break the protocol without ending the connection at once. */
  readonly http2InvalidFramesMax: number;
  /** Memory of one connection's streams, header tables and queues. */
  readonly http2SessionBytesMax: number;
}

export interface TelemetryConfig {
  readonly enabled: boolean;
  /**
   * Base URL of an OTLP/HTTP collector, as `http://127.0.0.1:4318`; `/v1/traces` is appended.
   * Undefined leaves it to OTEL_EXPORTER_OTLP_ENDPOINT and its kind.
   */
  readonly endpoint?: string;
  /** Spans carry `<serviceName>-<process>`, as `polygate-data-plane`. */
  readonly serviceName: string;
  /** 0 to 1, of the requests that no caller has decided about. */
  readonly sampleRatio: number;
  readonly metricsIntervalMs: number;
}

export interface AdminLimitsConfig {
  /** Wrong Admin API keys from one address within the window, until it is refused; 0: no limit. */
  readonly failedKeysMax: number;
  readonly failedKeysWindowMs: number;
}

/** What APISIX does not know: the `polygate:` section. */
export interface PolygateConfig {
  /** Absolute. The embedded store and generated keys. */
  readonly dataDir: string;
  /** Absolute. Unix sockets. */
  readonly runDir: string;
  readonly runnerManager: RunnerManagerConfig;
  readonly runners: readonly RunnerConfig[];
  /** The control stream, which the data plane dials. */
  readonly control: ServiceAddress;
  readonly admin: AdminLimitsConfig;
  readonly limits: LimitsConfig;
  readonly telemetry: TelemetryConfig;
  readonly logFormat: 'text' | 'json';
  /** From the first signal to the end of the process. */
  readonly shutdownGraceMs: number;
  /** An upstream to try things with, started beside the gateway. */
  readonly echoUpstream?: ListenAddress;
  /** Write the sample routes into an empty store. */
  readonly sample: boolean;
  /** Between two comparisons of a data plane's configuration with etcd; 0: never. */
  readonly storeCheckIntervalMs: number;
  /** Whether data planes keep etcd's configuration in `dataDir`, to start without it. */
  readonly lastGoodSnapshot: boolean;
  /** Absolute. Folders of plugins that users wrote. */
  readonly pluginDirs: readonly string[];
  /** Whether the serverless plugins run functions in JavaScript. */
  readonly serverlessJavaScript: boolean;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** `memory`: standalone mode driven by the Admin API, `yaml` of the role traditional. */
export type ConfigProvider = 'embedded' | 'etcd' | 'yaml' | 'json' | 'memory';

export type HttpRouter = 'radixtree_host_uri' | 'radixtree_uri' | 'radixtree_uri_with_parameter';

export type PluginAttr = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** The part of the file that a running process may take over. */
export interface PluginList {
  /** Undefined: every plugin whose definition enables it. */
  readonly plugins: readonly string[] | undefined;
  readonly streamPlugins: readonly string[];
  readonly pluginAttr: PluginAttr;
}

/** A place for answers that proxy-cache keeps. */
export interface CacheZoneConfig {
  readonly name: string;
  readonly memoryBytes: number;
  /** Undefined: in memory. */
  readonly disk:
    | {
        /** Absolute. */
        readonly path: string;
        /** Characters of each level of folders, as [1, 2]. */
        readonly levels: readonly number[];
        readonly bytesMax: number;
      }
    | undefined;
}

/** What plugins go by, whatever their conf: `GatewaySettings` of the plugin SDK is this. */
export interface PluginSettings {
  readonly proxyCache: {
    /** How long an answer on disk is good that does not say so itself. */
    readonly ttlMs: number;
    readonly zones: readonly CacheZoneConfig[];
  };
  /** The header that tells of the client's address, as `X-Real-IP`. */
  readonly realIpHeader: string;
  /** Whether functions in JavaScript may be run. */
  readonly serverlessJavaScript: boolean;
  /** `graphql.max_size`. */
  readonly graphqlBytesMax: number;
}

/** The configuration file, checked, with defaults filled in and units made plain. */
export interface GatewayConfig extends PluginList {
  /** Absolute. */
  readonly file: string;
  /** Absolute: the folder of `file`. */
  readonly configDir: string;
  readonly role: 'traditional' | 'control_plane' | 'data_plane';
  readonly configProvider: ConfigProvider;
  readonly etcd: EtcdConfig;
  /** Read when `configProvider` is `yaml` or `json`; absolute. */
  readonly standaloneFile: string;
  readonly admin: AdminConfig;
  readonly nodeListen: readonly NodeListen[];
  readonly ssl: SslConfig;
  readonly control: ListenAddress & { readonly enabled: boolean };
  /** `/status` and `/status/ready`; undefined when not asked for. */
  readonly status: ListenAddress | undefined;
  readonly routerHttp: HttpRouter;
  /** Stream routes may be written when it has `stream` in it; they are not served. */
  readonly proxyMode: 'http' | 'stream' | 'http&stream';
  /** Names in `xrpc.protocols`. */
  readonly xrpcProtocols: readonly string[];
  /** `apisix.id`, by which others know this process. */
  readonly nodeId: string | undefined;
  readonly deleteUriTailSlash: boolean;
  readonly normalizeUriLikeServlet: boolean;
  readonly matchUriEncodedSlash: boolean;
  /** Bytes of a body read to match `post_arg.*`; 0: unlimited. */
  readonly postArgsBytesMax: number;
  readonly showUpstreamStatus: boolean;
  readonly serverTokens: boolean;
  readonly upstreamHealthchecks: boolean;
  /** Peers whose `X-Forwarded-*` headers are believed; undefined when the key is not set. */
  readonly trustedAddresses: readonly string[] | undefined;
  readonly dns: {
    /** Undefined: the system's resolver. */
    readonly servers: readonly string[] | undefined;
    /** Overrides the records' TTL. */
    readonly validMs: number | undefined;
    readonly timeoutMs: number;
    /** Ask for AAAA too. */
    readonly ipv6: boolean;
  };
  readonly discovery: DiscoveryConfig;
  /**
   * Keys of 16 or 32 bytes, the first encrypts. `enabled` counts for fields of plugins, and is false
   * where the configuration is standalone.
   */
  readonly dataEncryption: { readonly enabled: boolean; readonly keyring: readonly string[] };
  /** How long a secret that was fetched is good, and after which time a failure is tried again. */
  readonly secretCache: { readonly ttlMs: number; readonly retryMs: number };
  readonly graphqlMaxBytes: number;
  /** `NAME` or `NAME=value`, as `nginx_config.envs` has them. */
  readonly nginxEnvs: readonly string[];
  /** Worker threads of the data plane, at least 1. */
  readonly workers: number;
  readonly errorLogLevel: LogLevel;
  /** Absolute; of the data plane. Undefined: standard error. */
  readonly errorLogFile: string | undefined;
  readonly http: HttpConfig;
  readonly accessLog: AccessLogConfig;
  readonly polygate: PolygateConfig;
  readonly pluginSettings: PluginSettings;
  /** Paths of keys that are set and do nothing here; for one line in the log. */
  readonly withoutEffect: readonly string[];
  /** Sentences to log as warnings. No secrets in them. */
  readonly warnings: readonly string[];
}
