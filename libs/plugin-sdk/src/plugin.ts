import type { GatewaySettings } from './configured-definitions.ts';
import type {
  GraphqlCostDecorationResource,
  ProtoResource,
  UpstreamResource,
} from '@polygate/model';
import type { BackgroundSources } from './background.ts';
import type { ControlApiEndpoint } from './control-api.ts';
import type { ExternalPlugins } from './external-plugins.ts';
import type { LocalReply } from './local-reply.ts';
import type { MetricRegistry } from './metrics.ts';
import type { Phase } from './phase.ts';
import type { PublicApi, PublicApiSources } from './public-api.ts';
import type { Logger, RequestContext, UpstreamHandle } from './request-context.ts';
import type { SharedCache } from './shared-cache.ts';
import type { SharedState } from './shared-state.ts';

/** A JSON Schema as plain data: the Admin API serves it as it stands. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** What the Admin API needs to know of a plugin: data, and no behaviour beyond checking a conf. */
export interface PluginDefinition<Conf = unknown> {
  readonly name: string;
  readonly version: number;
  /** Higher runs earlier. */
  readonly priority: number;
  readonly type?: 'auth';
  /** The field of `consumerSchema` that names a consumer uniquely, as `key` for key-auth. */
  readonly consumerKey?: string;
  /** Several consumers may have the same key: the one created last is found by it. */
  readonly sharesConsumerKeys?: true;
  readonly scope?: 'global';
  /** `prefer_route`: does not run in a global rule when the route has it too. */
  readonly runPolicy?: 'prefer_route';
  readonly enabledByDefault?: false;
  /** Addresses in a conf that had better be `https`; as `tcp.uri`. The log says which are not. */
  readonly httpsFields?: readonly string[];
  /** Switches of a conf that had better not be off. */
  readonly tlsFields?: readonly string[];
  /** Its code has `controlApis`: the main thread loads that of no other plugin. */
  readonly hasControlApi?: true;
  readonly schema: JsonSchema;
  readonly consumerSchema?: JsonSchema;
  readonly metadataSchema?: JsonSchema;
  /** Puts what `schema` says against a conf into other words, where APISIX does. */
  restate?(conf: Readonly<Record<string, unknown>>, schemaError: string): string;
  /**
   * What JSON Schema cannot say. `plugins`: every plugin that a conf may name. `settings`: undefined
   * where the configuration file is not known. Throws a ConfigError.
   */
  check?(
    conf: Conf,
    plugins: ReadonlyMap<string, PluginDefinition>,
    settings?: GatewaySettings,
  ): void;
  checkConsumer?(conf: Readonly<Record<string, unknown>>): void;
}

/** The object of the configuration that a conf stands in. */
export interface ConfSource {
  /** `route`, `service`, `plugin_config`, `consumer`, `consumer_group` or `global_rule`. */
  readonly kind: string;
  readonly id: string;
  /** Store revision of its last change. */
  readonly modifiedIndex: number;
  /** Secrets of it were fetched: its content may change while `modifiedIndex` stays. */
  readonly hasSecrets?: true;
}

export interface CompileUpstreamOptions {
  /** With `pass_host: node` the Host header is the node's name alone, whatever its port. */
  readonly hostWithoutPort?: boolean;
}

/** What a plugin is given when a conf is prepared. */
export interface PluginEnvironment {
  readonly source: ConfSource;
  /** `plugin_attr.<name>` of the configuration file. */
  readonly attr: Readonly<Record<string, unknown>>;
  /** `/plugin_metadata/<name>`, validated; a change prepares every conf anew. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** That of another plugin, for one that runs others. */
  readonly metadataOf: (plugin: string) => Readonly<Record<string, unknown>>;
  readonly settings: GatewaySettings;
  readonly shared: SharedState;
  /** A zone in memory, by its name. */
  readonly sharedCache: (zone: string) => SharedCache | undefined;
  readonly metrics: MetricRegistry;
  readonly external: ExternalPlugins;
  /** For `useUpstream` of a request; the resource is validated and has its defaults. */
  readonly compileUpstream: (
    resource: UpstreamResource,
    options?: CompileUpstreamOptions,
  ) => UpstreamHandle;
  /** As it is now; a change brings another object. For the time of a request, not of `prepare`. */
  readonly findProto: (id: string) => ProtoResource | undefined;
  /** As it is written, with defaults. For the time of a request. */
  readonly findUpstreamResource: (id: string) => UpstreamResource | undefined;
  /** Of a service; the same list until one of them changes. For the time of a request. */
  readonly costDecorationsOf: (serviceId: string) => readonly GraphqlCostDecorationResource[];
  /** Ports that TLS is served on; none where it is not. */
  readonly httpsPorts: readonly number[];
  /** The enabled plugins by name: for one that runs others, as multi-auth does. */
  readonly plugins: ReadonlyMap<string, Plugin>;
  /** Those of all enabled plugins. */
  readonly publicApis: readonly PublicApi[];
  readonly log: Logger;
}

/** May change the request; a reply ends the request phases. Return a promise only to wait for something. */
export type RequestHandler<Prepared> = (
  ctx: RequestContext,
  prepared: Prepared,
) => LocalReply | void | Promise<LocalReply | void>;

/** Sees status and headers before they are sent. Synchronous: bytes are waiting. */
export type ResponseHandler<Prepared> = (ctx: RequestContext, prepared: Prepared) => void;

/** Gets each chunk, and a last call with `last` set; returns what goes to the client. */
export type BodyHandler<Prepared> = (
  ctx: RequestContext,
  prepared: Prepared,
  chunk: Buffer,
  last: boolean,
) => Buffer | void;

export interface PluginHandlers<Conf, Prepared> {
  /** Once per conf: compile patterns, parse CIDR sets and templates here, never in a phase. */
  prepare?(conf: Conf, env: PluginEnvironment): Prepared;
  /**
   * Whether this conf has anything to do in a phase that the plugin has a handler for; asked once, after
   * `prepare`. A filter that is not there costs nothing. Without this function: yes.
   */
  runsIn?(phase: Phase, prepared: Prepared): boolean;
  /** After the last request that used it. */
  dispose?(prepared: Prepared): void;
  /** Once for a set of plugins, with `plugin_attr.<name>`. */
  publicApis?(attr: PluginEnvironment['attr'], sources: PublicApiSources): readonly PublicApi[];
  /** Once for a set of plugins, with `plugin_attr.<name>`; only where `hasControlApi` says so. */
  controlApis?(attr: PluginEnvironment['attr']): readonly ControlApiEndpoint[];
  /**
   * Once for a set of plugins, in each worker thread: what the plugin does beside requests. Answers how to
   * end it, which is asked for before another set is taken.
   */
  background?(sources: BackgroundSources): () => void;
  rewrite?: RequestHandler<Prepared>;
  access?: RequestHandler<Prepared>;
  /** Runs again for each node that is tried: must be repeatable. */
  beforeProxy?: RequestHandler<Prepared>;
  /**
   * Sees an upstream's answer before anything of it is sent, and may change status, headers and, by
   * `setBody`, the body; the client waits. A reply takes the answer's place. Costs nothing where no
   * plugin of a chain has it; does not run for answers of the gateway itself, nor for 101.
   */
  response?: RequestHandler<Prepared>;
  headerFilter?: ResponseHandler<Prepared>;
  bodyFilter?: BodyHandler<Prepared>;
  delayedBodyFilter?: BodyHandler<Prepared>;
  /** Runs for every request, however it ended. */
  log?: ResponseHandler<Prepared>;
}

export interface Plugin<Conf = unknown, Prepared = unknown> extends PluginHandlers<Conf, Prepared> {
  readonly definition: PluginDefinition<Conf>;
}

/** The default export of a plugin's code file. Without `prepare` the phases get the conf itself. */
export function definePlugin<Conf, Prepared = Conf>(
  definition: PluginDefinition<Conf>,
  handlers: PluginHandlers<Conf, Prepared>,
): Plugin<Conf, Prepared> {
  return { definition, ...handlers };
}
