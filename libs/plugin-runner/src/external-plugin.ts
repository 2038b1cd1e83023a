import type { ConfOf, JsonSchema } from './conf-of-schema.ts';
import type { FieldList } from './field-list.ts';
import type { RunnerLog } from './runner-log.ts';

/** Ends the request with this answer; the upstream does not see it. */
export interface StopReply {
  /** 200 unless told otherwise. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** An empty one leaves it to the gateway what the client sees. */
  readonly body?: string | Uint8Array;
}

/** What a plugin can learn from the gateway in the middle of a call. */
interface Call {
  /** Aborted when the call is over: answered, out of time, or the gateway has gone away. */
  readonly signal: AbortSignal;
  /** Lines with the trace id of the request, where it has one. */
  readonly log: RunnerLog;
  /**
   * A variable of the gateway by name, without `$`: `request_time`, `consumer_name`, `arg_x`, ….
   * Undefined when there is none. Several may be asked for at once; each is asked for once a call.
   */
  variable(name: string): Promise<string | undefined>;
}

/** A request on its way to the upstream. What is changed here is what the upstream gets. */
export interface PluginRequest extends Call {
  readonly method: string;
  /** Without query. Decoded; setting it needs no encoding either. Must begin with `/`. */
  path: string;
  /** Decoded. The value of `?a` is undefined. */
  readonly args: FieldList;
  /** Names compare without regard to case. `host` is what the upstream will get as Host. */
  readonly headers: FieldList;
  /** IPv4 or IPv6; empty when the gateway gave none. */
  readonly remoteAddress: string;
  /** The whole body, up to 16 MiB; empty when there is none. */
  body(): Promise<Buffer>;
  /** An empty body cannot be set: the protocol has no word for it. */
  setBody(body: string | Uint8Array): void;
  /** On the response to the client, whoever makes it. */
  setResponseHeader(name: string, value: string | readonly string[]): void;
}

/** A response on its way to the client. What is changed here is what the client gets. */
export interface PluginResponse extends Call {
  status: number;
  readonly headers: FieldList;
  body(): Promise<Buffer>;
  setBody(body: string | Uint8Array): void;
}

/** What a plugin is given to prepare: by its schema, or, without one, the text itself. */
export type WrittenConf<Schema> = Schema extends JsonSchema ? ConfOf<Schema> : string;

type MaybePromise<T> = T | Promise<T>;

/**
 * An external plugin. Its conf is what the gateway's configuration says beside the name: one text,
 * by habit JSON. What throws in `prepare` is bad conf, and no request is served with it. What
 * throws in `request` or `response` fails that call alone.
 */
export interface ExternalPlugin<
  Schema extends JsonSchema | undefined = undefined,
  Conf = WrittenConf<Schema>,
> {
  /** What the gateway's configuration calls it. */
  readonly name: string;
  /** The conf is JSON then (an empty text: `{}`), is checked by this and gets its defaults. */
  readonly schema?: Schema;
  /** Once per conf, after the schema. What it returns is handed to the hooks. */
  prepare?(conf: WrittenConf<Schema>): Conf;
  /** `ext-plugin-pre-req` and `ext-plugin-post-req`. */
  request?(ctx: PluginRequest, conf: Conf): MaybePromise<StopReply | undefined | void>;
  /** `ext-plugin-post-resp`. */
  response?(ctx: PluginResponse, conf: Conf): MaybePromise<void>;
}

/** A plugin of which only the runner's own conf cache knows the conf's type. */
export interface AnyExternalPlugin {
  readonly name: string;
  readonly schema?: JsonSchema | undefined;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  prepare?(conf: any): unknown;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  request?(ctx: PluginRequest, conf: any): MaybePromise<StopReply | undefined | void>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  response?(ctx: PluginResponse, conf: any): MaybePromise<void>;
}

/** The default export of a plugin file. Nothing but types: what goes in comes out. */
export function defineExternalPlugin<
  const Schema extends JsonSchema | undefined = undefined,
  Conf = WrittenConf<Schema>,
>(plugin: ExternalPlugin<Schema, Conf>): ExternalPlugin<Schema, Conf> {
  return plugin;
}
