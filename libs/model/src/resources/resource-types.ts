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
}
