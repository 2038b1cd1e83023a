import { GatewayError, type GatewayErrorCode, type Logger } from '@polygate/plugin-sdk';
import { FailureReason, MESSAGE_BYTES_MAX } from '@polygate/rpc';
import type {
  CallFailure,
  ClientTls,
  ExtraInfoQuestion,
  ManagerFrame,
  RequestCall,
  RequestResult,
} from '@polygate/rpc';
import { RunnerLink, type BackoffMs } from './runner-link.ts';

/** One timer looks at all calls this often: deadlines are late by up to this much. */
const SWEEP_INTERVAL_MS = 100;
/** The manager's own deadline fires first and knows better what went wrong. */
const DEADLINE_SLACK_MS = 1_000;
/** Questions of one call that may wait for their answers. */
const QUESTIONS_OPEN_MAX = 64;
/** What may wait for a manager that does not read. */
const BACKLOG_BYTES_MAX = 64 * 1024 * 1024;
/** A character takes up to 3 bytes on the wire; a message over the limit would break the stream. */
const CALL_CHARACTERS_MAX = Math.floor(MESSAGE_BYTES_MAX / 3);
const CALL_ID_MAX = 0xffff_ffff;

export interface RunnerClientOptions {
  /** Where the runner manager listens: `unix:/path` or `host:port`. */
  readonly address: string;
  readonly tls?: ClientTls;
  readonly log: Logger;
  /** What the manager is told; 60 s, as APISIX has it. */
  readonly callTimeoutMs?: number;
  /** Calls past this many are refused. 4,096. */
  readonly callsInFlightMax?: number;
  /** How long calls wait while there is no connection. 1 s. */
  readonly connectWaitMs?: number;
  /** Pause before reconnecting: doubles from `min` (100 ms) to `max` (5 s), with jitter. */
  readonly backoffMs?: BackoffMs;
}

/** Answers what a runner asks in the middle of a call; undefined: there is no such thing. */
export type AnswerQuestion = (question: ExtraInfoQuestion) => Promise<Buffer | undefined>;

export interface CallOptions {
  /** Aborting it cancels the call: REQUEST_ABORTED. */
  readonly signal: AbortSignal;
  readonly answer: AnswerQuestion;
}

export interface RunnerClient {
  readonly connected: boolean;
  readonly callsInFlight: number;
  /**
   * Sets `timeoutMs` of the call itself. Rejects with the GatewayError RUNNER_UNAVAILABLE (no
   * manager, no runner, overloaded), RUNNER_FAILED (the runner's fault), RUNNER_TIMEOUT or
   * REQUEST_ABORTED, or with the error of `answer`.
   */
  handleRequest(call: RequestCall, options: CallOptions): Promise<RequestResult>;
  /** Fails what is in flight and closes the connection. */
  close(): void;
}

/** Connects at once and in the background; one per worker. */
export function connectRunnerManager(options: RunnerClientOptions): RunnerClient {
  return new MultiplexedRunnerClient(options);
}

interface PendingCall {
  readonly callId: number;
  readonly call: RequestCall;
  readonly sizeBytes: number;
  readonly options: CallOptions;
  readonly resolve: (result: RequestResult) => void;
  readonly reject: (error: Error) => void;
  readonly onAbort: () => void;
  startedAtMs: number;
  questionsOpen: number;
  /** Settles when every question so far is answered. Never rejects. */
  answered: Promise<void>;
}

class MultiplexedRunnerClient implements RunnerClient {
  readonly #link: RunnerLink;
  readonly #callTimeoutMs: number;
  readonly #callsInFlightMax: number;
  readonly #connectWaitMs: number;
  /** In the order of their start, which is the order of their deadlines. */
  readonly #pending = new Map<number, PendingCall>();
  #lastCallId = 0;
  #sweepTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: RunnerClientOptions) {
    this.#callTimeoutMs = options.callTimeoutMs ?? 60_000;
    this.#callsInFlightMax = options.callsInFlightMax ?? 4_096;
    this.#connectWaitMs = options.connectWaitMs ?? 1_000;
    this.#link = new RunnerLink({
      address: options.address,
      tls: options.tls,
      log: options.log,
      backoffMs: options.backoffMs ?? { min: 100, max: 5_000 },
      onUp: () => this.#sendWaiting(),
      onFrame: (frame) => this.#receive(frame),
      onDown: (reason) => this.#failAll(`the connection to the runner manager broke: ${reason}`),
    });
  }

  get connected(): boolean {
    return this.#link.connected;
  }

  get callsInFlight(): number {
    return this.#pending.size;
  }

  handleRequest(call: RequestCall, options: CallOptions): Promise<RequestResult> {
    const sizeBytes = callSize(call);
    const refusal = this.#refusal(options.signal, sizeBytes);
    if (refusal !== undefined) return Promise.reject(refusal);
    call.timeoutMs = this.#callTimeoutMs;
    const callId = this.#nextCallId();
    return new Promise((resolve, reject) => {
      const pending: PendingCall = {
        callId,
        call,
        sizeBytes,
        options,
        resolve,
        reject,
        onAbort: () => this.#abandon(pending, aborted()),
        startedAtMs: performance.now(),
        questionsOpen: 0,
        answered: Promise.resolve(),
      };
      this.#pending.set(callId, pending);
      options.signal.addEventListener('abort', pending.onAbort, { once: true });
      this.#sendCall(pending);
      this.#sweepTimer ??= setTimeout(this.#sweep, SWEEP_INTERVAL_MS).unref();
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#link.close();
    this.#failAll('the gateway is shutting down');
    clearTimeout(this.#sweepTimer);
  }

  #refusal(signal: AbortSignal, sizeBytes: number): GatewayError | undefined {
    if (this.#closed) {
      return new GatewayError('RUNNER_UNAVAILABLE', 'the gateway is shutting down');
    }
    if (signal.aborted) return aborted();
    if (sizeBytes > CALL_CHARACTERS_MAX) {
      return new GatewayError('RUNNER_FAILED', `a call of ${sizeBytes} characters is too large`);
    }
    const isFull =
      this.#pending.size >= this.#callsInFlightMax || this.#link.backlogBytes >= BACKLOG_BYTES_MAX;
    if (!isFull) return undefined;
    return new GatewayError(
      'RUNNER_UNAVAILABLE',
      `overloaded: ${this.#pending.size} calls to the runner manager are in flight`,
    );
  }

  #nextCallId(): number {
    do {
      this.#lastCallId = this.#lastCallId === CALL_ID_MAX ? 1 : this.#lastCallId + 1;
    } while (this.#pending.has(this.#lastCallId));
    return this.#lastCallId;
  }

  /** Every call in flight has waited for the connection. Its time begins now. */
  #sendWaiting(): void {
    const nowMs = performance.now();
    for (const pending of this.#pending.values()) {
      pending.startedAtMs = nowMs;
      this.#sendCall(pending);
    }
  }

  /** Does nothing while there is no connection. */
  #sendCall({ callId, call, sizeBytes }: PendingCall): void {
    this.#link.send({ callId, frame: { $case: 'requestCall', value: call } }, sizeBytes);
  }

  readonly #sweep = (): void => {
    this.#sweepTimer = undefined;
    const { connected } = this.#link;
    const limitMs = connected ? this.#callTimeoutMs + DEADLINE_SLACK_MS : this.#connectWaitMs;
    const startedBeforeMs = performance.now() - limitMs;
    for (const pending of this.#pending.values()) {
      if (pending.startedAtMs > startedBeforeMs) break;
      this.#abandon(pending, connected ? this.#timedOut() : notConnected());
    }
    if (this.#pending.size === 0) return;
    this.#sweepTimer = setTimeout(this.#sweep, SWEEP_INTERVAL_MS).unref();
  };

  #timedOut(): GatewayError {
    return new GatewayError(
      'RUNNER_TIMEOUT',
      `the runner manager did not answer within ${this.#callTimeoutMs} ms`,
    );
  }

  #receive({ callId, frame }: ManagerFrame): void {
    const pending = this.#pending.get(callId);
    // An answer may cross our cancellation.
    if (pending === undefined) return;
    switch (frame?.$case) {
      case 'requestResult':
        if (this.#forget(pending)) pending.resolve(frame.value);
        return;
      case 'extraInfoQuestion':
        this.#answer(pending, frame.value);
        return;
      case 'callFailure':
        if (this.#forget(pending)) pending.reject(failureError(frame.value));
        return;
      case 'responseResult':
      case undefined:
        this.#abandon(pending, unexpected(frame?.$case ?? 'an unknown frame'));
    }
  }

  /** Looks for answers side by side, but sends them in the order of the questions. */
  #answer(pending: PendingCall, question: ExtraInfoQuestion): void {
    if (pending.questionsOpen >= QUESTIONS_OPEN_MAX) {
      this.#abandon(pending, unexpected(`more than ${QUESTIONS_OPEN_MAX} open questions`));
      return;
    }
    pending.questionsOpen++;
    const found = pending.options.answer(question).then(
      (result) => () => this.#sendAnswer(pending, result),
      (error: unknown) => () => this.#abandon(pending, answerError(error)),
    );
    pending.answered = pending.answered.then(async () => {
      const finish = await found;
      finish();
    });
  }

  #sendAnswer(pending: PendingCall, result: Buffer | undefined): void {
    pending.questionsOpen--;
    if (this.#pending.get(pending.callId) !== pending) return;
    const value = result === undefined ? {} : { result };
    this.#link.send(
      { callId: pending.callId, frame: { $case: 'extraInfoAnswer', value } },
      FRAME_BYTES + (result?.length ?? 0),
    );
  }

  /** Ends a call from this side, and tells the manager. */
  #abandon(pending: PendingCall, error: Error): void {
    if (!this.#forget(pending)) return;
    this.#link.send(
      { callId: pending.callId, frame: { $case: 'cancelCall', value: {} } },
      FRAME_BYTES,
    );
    pending.reject(error);
  }

  #forget(pending: PendingCall): boolean {
    if (this.#pending.get(pending.callId) !== pending) return false;
    this.#pending.delete(pending.callId);
    pending.options.signal.removeEventListener('abort', pending.onAbort);
    return true;
  }

  #failAll(reason: string): void {
    for (const pending of this.#pending.values()) {
      if (this.#forget(pending)) pending.reject(new GatewayError('RUNNER_UNAVAILABLE', reason));
    }
  }
}

/** What a frame takes besides its content, about. */
const FRAME_BYTES = 16;

function callSize({ conf, path, args, headers }: RequestCall): number {
  let size = 128 + path.length + (conf?.key.length ?? 0);
  for (const { name, value } of conf?.plugins ?? []) size += name.length + value.length + 8;
  for (const { name, value } of args) size += name.length + (value?.length ?? 0) + 8;
  for (const { name, value } of headers) size += name.length + (value?.length ?? 0) + 8;
  return size;
}

const FAILURE_CODES: Readonly<Record<FailureReason, GatewayErrorCode>> = {
  [FailureReason.UNSPECIFIED]: 'RUNNER_FAILED',
  [FailureReason.UNRECOGNIZED]: 'RUNNER_FAILED',
  [FailureReason.UNAVAILABLE]: 'RUNNER_UNAVAILABLE',
  [FailureReason.OVERLOADED]: 'RUNNER_UNAVAILABLE',
  [FailureReason.PROTOCOL]: 'RUNNER_FAILED',
  [FailureReason.RUNNER_ERROR]: 'RUNNER_FAILED',
  [FailureReason.INVALID_CALL]: 'RUNNER_FAILED',
  [FailureReason.TIMEOUT]: 'RUNNER_TIMEOUT',
};

function failureError({ reason, message }: CallFailure): GatewayError {
  // A newer manager may know reasons that this gateway does not.
  return new GatewayError(FAILURE_CODES[reason] ?? 'RUNNER_FAILED', message);
}

function answerError(cause: unknown): Error {
  if (cause instanceof GatewayError) return cause;
  return new GatewayError('RUNNER_FAILED', 'a question of the runner could not be answered', {
    cause,
  });
}

function aborted(): GatewayError {
  return new GatewayError('REQUEST_ABORTED', 'the client went away during a call to a runner');
}

function notConnected(): GatewayError {
  return new GatewayError('RUNNER_UNAVAILABLE', 'there is no connection to the runner manager');
}

function unexpected(what: string): GatewayError {
  return new GatewayError('RUNNER_FAILED', `the runner manager sent ${what}`);
}
