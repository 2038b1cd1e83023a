import { FailureReason } from '@polygate/rpc';

export interface CallErrorFacts {
  readonly tokenUnknown?: boolean;
  readonly tokenDoubtful?: boolean;
  readonly connectionStale?: boolean;
  readonly resendable?: boolean;
  readonly neverSent?: boolean;
  readonly cause?: unknown;
}

/** Why a call failed: what the data plane is told in a CallFailure. */
export class CallError extends Error {
  override readonly name = 'CallError';
  readonly reason: FailureReason;
  /** The runner does not know the conf token: a new token may help. */
  readonly tokenUnknown: boolean;
  /** The answer looks as if the runner did not know the token, but may mean something else. */
  readonly tokenDoubtful: boolean;
  /** A pooled connection had died before the runner answered anything: a fresh one may help. */
  readonly connectionStale: boolean;
  /** No byte of an answer had come. */
  readonly resendable: boolean;
  /** No runner can have seen the try. */
  readonly neverSent: boolean;

  constructor(reason: FailureReason, message: string, facts: CallErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.reason = reason;
    this.tokenUnknown = facts.tokenUnknown ?? false;
    this.tokenDoubtful = facts.tokenDoubtful ?? false;
    this.connectionStale = facts.connectionStale ?? false;
    this.resendable = facts.resendable ?? reason === FailureReason.UNAVAILABLE;
    this.neverSent = facts.neverSent ?? false;
  }

  /** Anything else than a CallError is a mistake of ours and says so. */
  static from(error: unknown): CallError {
    if (error instanceof CallError) return error;
    const message = error instanceof Error ? error.message : String(error);
    return new CallError(FailureReason.UNSPECIFIED, `runner manager: ${message}`, { cause: error });
  }
}
