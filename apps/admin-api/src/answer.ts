/** One object that a request has changed. */
export interface Written {
  readonly key: string;
  /** Of the store, when the change had happened. */
  readonly revision: number;
  /** The object's revision before; 0: there was none; undefined: not known. */
  readonly previousRevision?: number;
}

/** What the Admin API answers: an object leaves as JSON and a newline, a string as it stands. */
export interface Answer {
  readonly status: number;
  readonly body?: string | object;
  readonly headers?: Readonly<Record<string, string>>;
  /** Set by a write that took place. */
  readonly written?: readonly Written[];
}

/** A refusal in the shape that APISIX gives nearly all of them. */
export function refusal(status: number, message: string): Answer {
  return { status, body: { error_msg: message } };
}

/** What APISIX answers about a key that the store does not have. */
export const KEY_NOT_FOUND: Answer = { status: 404, body: { message: 'Key not found' } };
