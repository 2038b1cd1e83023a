/** What the Admin API answers: an object leaves as JSON and a newline, a string as it stands. */
export interface Answer {
  readonly status: number;
  readonly body?: string | object;
  readonly headers?: Readonly<Record<string, string>>;
  /** Set by a write that took place; for the audit line. */
  readonly written?: { readonly key: string; readonly revision?: number };
}

/** A refusal in the shape that APISIX gives nearly all of them. */
export function refusal(status: number, message: string): Answer {
  return { status, body: { error_msg: message } };
}

/** What APISIX answers about a key that the store does not have. */
export const KEY_NOT_FOUND: Answer = { status: 404, body: { message: 'Key not found' } };
