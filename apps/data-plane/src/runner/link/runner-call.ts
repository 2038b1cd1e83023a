import type { ExtraInfoQuestion, ManagerFrame } from '@polygate/rpc';

/** What answers a call. */
export type CallResult = Extract<
  ManagerFrame['frame'],
  { readonly $case: 'requestResult' | 'responseResult' }
>;

/** One call on its way to a runner. Exactly one of `onResult` and `onError` is called, once. */
export interface RunnerCall {
  readonly answeredBy: CallResult['$case'];
  /** What the manager is told; it is given a little more, for it knows better what went wrong. */
  readonly timeoutMs: number;
  /** Also: times it may be sent to another manager while no byte has come back. */
  readonly retries: number;
  /** Its frames may be large: they travel beside those of other calls. */
  readonly isLarge: boolean;
  /** Nobody wants the result any more. */
  readonly isAborted: boolean;
  /** Throws a GatewayError where the request cannot be shown to a runner. */
  encode(callId: number): Buffer;
  /** Of what a runner asks in the middle; undefined: there is no such thing. */
  answer(question: ExtraInfoQuestion): Buffer | undefined | Promise<Buffer | undefined>;
  onResult(result: CallResult): void;
  onError(error: Error): void;
}
