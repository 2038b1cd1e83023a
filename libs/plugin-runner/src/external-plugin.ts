import type { FieldList } from './field-list.ts';

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
  /** Aborted when the gateway has gone away or the time for the call is over. */
  readonly signal: AbortSignal;
  /**
   * A variable of the gateway by name, without `$`: `request_time`, `consumer_name`, `arg_x`, ….
   * Undefined when there is none. Several may be asked for at once.
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

export interface ExternalPlugin<Conf = string> {
  readonly name: string;
  /** Once per conf; throws when it is no good. Without it the handlers get the text itself. */
  parseConf?(value: string): Conf;
  /** `ext-plugin-pre-req` and `ext-plugin-post-req`. */
  onRequest?(request: PluginRequest, conf: Conf): StopReply | void | Promise<StopReply | void>;
  /** `ext-plugin-post-resp`. */
  onResponse?(response: PluginResponse, conf: Conf): void | Promise<void>;
}

/** A plugin of which only the runner's own conf cache knows the conf's type. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyExternalPlugin = ExternalPlugin<any>;

/** The default export of a plugin file. Nothing but types: what goes in comes out. */
export function defineExternalPlugin<Conf = string>(
  plugin: ExternalPlugin<Conf>,
): ExternalPlugin<Conf> {
  return plugin;
}
