/**
 * An answer made by the gateway itself; returning one ends the request phases.
 * An object as body is sent as JSON with a newline behind it, as APISIX does; without a body and
 * with a status of 300 or more the client gets an HTML error page.
 */
export interface LocalReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Uint8Array | object;
  /** In the place of `body`: one too large for memory. */
  readonly stream?: ReplyStream;
}

/** A body that is read piece by piece, as from a file. */
export interface ReplyStream {
  readonly bytes: number;
  /** Once. */
  start(sink: ReplySink): void;
  /** After `write` answered false. */
  resume(): void;
  /** The sink hears no more. In the place of `start`, too: what is open has to be closed. */
  cancel(): void;
}

export interface ReplySink {
  /** False: no more until `resume`; the chunk's memory is the sink's until then. */
  write(chunk: Buffer): boolean;
  end(): void;
  /** The rest will not come: the client is cut off. */
  fail(error: Error): void;
}
