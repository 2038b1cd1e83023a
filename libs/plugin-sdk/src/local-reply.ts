/**
 * An answer made by the gateway itself; returning one ends the request phases.
 * An object as body is sent as JSON with a newline behind it, as APISIX does; without a body and
 * with a status of 300 or more the client gets an HTML error page.
 */
export interface LocalReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Uint8Array | object;
}
