// Shapes of stored objects, after validation and with defaults filled in. snake_case: off the wire.

export type ResourceId = string | number;
export type Labels = Readonly<Record<string, string>>;
/** Plugin name → conf. */
export type PluginConfs = Readonly<Record<string, PluginConf>>;
export type PluginConf = Readonly<Record<string, unknown>> & { readonly _meta?: PluginMeta };

/** `_meta`: what the gateway itself understands in any plugin's conf. */
export interface PluginMeta {
  readonly disable?: boolean;
  readonly priority?: number;
  /** A lua-resty-expr expression; the plugin runs only when it holds. */
  readonly filter?: readonly unknown[];
  /** Replaces the body when the plugin ends the request with a status of 400 or more. */
  readonly error_response?: string | Readonly<Record<string, unknown>>;
}

interface Described {
  readonly id?: ResourceId;
  readonly name?: string;
  readonly desc?: string;
  readonly labels?: Labels;
  /** Seconds since the epoch. */
  readonly create_time?: number;
  readonly update_time?: number;
}

/** Seconds. */
export interface Timeout {
  readonly connect: number;
  readonly send: number;
  readonly read: number;
}

export interface UpstreamNode {
  readonly host: string;
  readonly port?: number;
  readonly weight: number;
  readonly priority?: number;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface UpstreamResource extends Described {
  /** `{"host:port": weight}` or a list. */
  readonly nodes?: Readonly<Record<string, number>> | readonly UpstreamNode[];
  readonly type?: string;
  readonly hash_on?: string;
  readonly key?: string;
  readonly retries?: number;
  readonly retry_timeout?: number;
  readonly timeout?: Timeout;
  readonly scheme?: string;
  readonly pass_host?: 'pass' | 'node' | 'rewrite';
  readonly upstream_host?: string;
  readonly keepalive_pool?: {
    readonly size: number;
    readonly idle_timeout: number;
    readonly requests: number;
  };
  readonly tls?: Readonly<Record<string, unknown>>;
  readonly checks?: Readonly<Record<string, unknown>>;
  readonly service_name?: string;
  readonly discovery_type?: string;
  readonly discovery_args?: Readonly<Record<string, unknown>>;
}

export interface RouteResource extends Described {
  readonly uri?: string;
  readonly uris?: readonly string[];
  readonly priority?: number;
  readonly methods?: readonly string[];
  readonly host?: string;
  readonly hosts?: readonly string[];
  readonly remote_addr?: string;
  readonly remote_addrs?: readonly string[];
  readonly timeout?: Timeout;
  readonly vars?: readonly unknown[];
  readonly filter_func?: string;
  readonly script?: string;
  readonly script_id?: ResourceId;
  readonly plugins?: PluginConfs;
  readonly plugin_config_id?: ResourceId;
  readonly upstream?: UpstreamResource;
  readonly upstream_id?: ResourceId;
  readonly service_id?: ResourceId;
  readonly enable_websocket?: boolean;
  readonly status?: 0 | 1;
}

export interface ServiceResource extends Described {
  readonly plugins?: PluginConfs;
  readonly upstream?: UpstreamResource;
  readonly upstream_id?: ResourceId;
  readonly script?: string;
  readonly hosts?: readonly string[];
  readonly enable_websocket?: boolean;
}

export interface ConsumerResource extends Described {
  readonly username: string;
  readonly group_id?: ResourceId;
  readonly plugins?: PluginConfs;
}

/** One auth plugin's conf, beside those of the consumer. */
export interface CredentialResource extends Described {
  readonly plugins?: PluginConfs;
}

export interface SslResource extends Omit<Described, 'name'> {
  readonly type: 'server' | 'client';
  /** PEM. */
  readonly cert: string;
  /** PEM, or encrypted with the keyring. */
  readonly key: string;
  readonly sni?: string;
  readonly snis?: readonly string[];
  /** Further certificates of the same names, each with the key at its place in `keys`. */
  readonly certs?: readonly string[];
  readonly keys?: readonly string[];
  readonly client?: {
    readonly ca: string;
    readonly depth: number;
    readonly skip_mtls_uri_regex?: readonly string[];
  };
  readonly status: 0 | 1;
  readonly ssl_protocols?: readonly ('TLSv1.1' | 'TLSv1.2' | 'TLSv1.3')[];
}

export interface ProtoResource extends Described {
  /** Text of a .proto file, or base64 of a FileDescriptorSet. */
  readonly content: string;
}

export interface StreamRouteResource extends Described {
  readonly remote_addr?: string;
  readonly server_addr?: string;
  readonly server_port?: number;
  readonly sni?: string;
  readonly upstream?: UpstreamResource;
  readonly upstream_id?: ResourceId;
  readonly service_id?: ResourceId;
  readonly plugins?: PluginConfs;
  readonly protocol?: {
    readonly name: string;
    readonly superior_id?: ResourceId;
    readonly conf?: Readonly<Record<string, unknown>>;
    readonly logger?: readonly Readonly<Record<string, unknown>>[];
  };
}

/** What a field of a service's GraphQL schema costs: (sum of its children) × multiply + add. */
export interface GraphqlCostDecorationResource extends Described {
  readonly service_id?: ResourceId;
  /** As `Product`, `Query.products` or a longer chain of selections. */
  readonly field_path: string;
  readonly add_value: number;
  readonly add_arguments?: readonly string[];
  readonly mul_value: number;
  readonly mul_arguments?: readonly string[];
}

/** Consumer groups, plugin configs and global rules. */
export interface PluginHolderResource extends Described {
  readonly plugins: PluginConfs;
}

export interface ResourceTypes {
  routes: RouteResource;
  services: ServiceResource;
  upstreams: UpstreamResource;
  consumers: ConsumerResource;
  consumer_groups: PluginHolderResource;
  plugin_configs: PluginHolderResource;
  global_rules: PluginHolderResource;
  plugin_metadata: Readonly<Record<string, unknown>>;
  credentials: CredentialResource;
  ssls: SslResource;
  protos: ProtoResource;
  /** What its manager's schema says. */
  secrets: Readonly<Record<string, unknown>>;
  stream_routes: StreamRouteResource;
  graphql_cost_decorations: GraphqlCostDecorationResource;
}
